//! `airlock registry`: the server, by raw requests. Real clients are in `tests/clients`.
//!
//! Where the rules of the distribution specification 1.1, the cases of its conformance suite, and the habits of
//! clients are tested:
//!
//! | rule | test |
//! |---|---|
//! | is this a registry? (end-1) | `pull::the_registry_says_what_it_is` |
//! | manifests: exact bytes and media type, HEAD as GET, digest header | `pull::manifests_come_back_exactly_as_they_were_pushed` |
//! | blobs: whole, ranges (suffix, clipped, unsatisfiable), If-Range, If-None-Match | `pull::blobs_can_be_had_whole_and_in_parts` |
//! | 404 with the right code | `pull::what_is_missing_is_404_with_the_right_code` |
//! | form of refusals | `audit::every_refusal_has_the_form_of_the_specification` |
//! | names of repositories and tags | `audit::names_outside_the_grammar_are_refused` |
//! | manifests up to 4 MiB | `push::manifests_are_large_but_not_too_large`, `audit::a_manifest_of_four_mebibytes_fits` |
//! | uploads: in one POST, POST and PUT, in chunks, as a stream (end-4 to end-6) | `uploads::every_way_to_push_a_blob_works`, `audit::a_body_of_unknown_length_is_taken` |
//! | chunks out of order, status, going on (end-13) | `uploads::chunks_out_of_order_are_refused_and_the_upload_goes_on` |
//! | upload resumed after a lost connection | `audit::an_upload_goes_on_after_its_connection_was_lost` |
//! | upload cancelled (end-14) | `uploads::uploads_can_be_cancelled_and_belong_to_their_repository` |
//! | mount, anonymous mount, mount of what is missing (end-11) | `uploads::blobs_are_mounted_from_where_they_are` |
//! | wrong digest on every way | `uploads::a_wrong_digest_is_400_however_it_comes` |
//! | malformed digest | `audit::malformed_digests_are_refused_wherever_they_stand` |
//! | sha512, also when it becomes known at the end | `pull::sha512_names_blobs_and_manifests_as_well`, `uploads::the_algorithm_may_become_known_at_the_end_only` |
//! | empty blob | `pull::an_empty_blob_is_a_blob`, `audit::every_way_of_uploading_takes_an_empty_blob` |
//! | manifest pushed by digest with tags (end-7b) | `pull::sha512_names_blobs_and_manifests_as_well` |
//! | manifest without its blobs | `push::a_manifest_whose_blobs_are_missing_is_refused_by_name` |
//! | indexes: nested, empty, sparse, with what is not for distribution | `push::indexes_may_be_nested_empty_and_sparse`, `audit::an_index_may_name_what_is_not_there` |
//! | subject that does not exist, `OCI-Subject` | `push::a_subject_is_acknowledged_whether_it_exists_or_not` |
//! | referrers: filter, never 404 (end-12) | `discover::referrers_are_found_by_what_they_refer_to` |
//! | tags: sorted, `n=0`, `last` without `n`, links (end-8) | `discover::tags_are_sorted_and_come_in_pages`, `audit::a_repository_with_blobs_alone_has_no_tags` |
//! | deletes: at once, 405 where they are off (end-9, end-10) | `manage`, `audit::what_was_deleted_can_be_pushed_again` |
//! | `ns`, `OCI-Namespace`, same path of two hosts | `pull::the_registry_an_image_comes_from_is_part_of_its_name` |
//! | containerd: resolving, layers without encoding, push | `audit::containerd_finds_what_it_asks_for`, `audit::containerd_pushes_with_a_namespace` |
//! | tokens, basic auth, challenge | `access` |
//! | several requests on a connection | `audit::several_requests_share_a_connection` |
//! | blobs of other repositories, access restricted | `audit::who_may_not_read_learns_nothing_of_blobs_of_others` |
//! | slow clients, garbage, names with `..`, damage, full disk | `faults`, `imported::a_damaged_blob_is_reported_and_repaired_while_it_is_served` |
//! | bundles in place, bundles in the store, several generations | `in_place`, `imported` |
//! | pull-through: honest upstreams, upstreams that misbehave | `upstream`, `upstream_faults` |
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped check says why")]

mod access;
mod audit;
#[path = "../bundle_format/support.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod bundles;
mod command;
mod crowds;
mod discover;
#[path = "../support/docker_registry.rs"]
mod docker_registry;
mod faults;
#[path = "../support/images.rs"]
mod images;
mod imported;
mod in_place;
mod manage;
mod many_blobs;
#[path = "../support/misbehaving.rs"]
mod misbehaving;
#[path = "../support/packages.rs"]
mod packages;
mod pull;
mod push;
mod scrub;
mod support;
#[path = "../support/tools.rs"]
mod tools;
mod uploads;
mod upstream;
mod upstream_faults;
#[path = "../support/upstream/server.rs"]
mod upstream_server;
