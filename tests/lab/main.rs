//! Air-gapped nodes: that the lab is what it promises to be, and what is proved in it.
//!
//! What takes more than a moment is ignored and run by name in `scripts/test`.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

#[path = "../support/apt_repository.rs"]
mod apt_repository;
#[path = "../bundle_format/support.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod bundles;
mod cluster_deploy;
mod cluster_faults;
mod cluster_gpu;
mod cluster_ha;
mod cluster_operations;
mod cluster_recovery;
mod cluster_scale;
mod cluster_secrets;
mod cluster_upgrade;
mod containerd;
mod deb;
mod deployment;
mod desk;
mod driver_archive;
mod editions;
mod failures;
mod gaps;
mod install;
mod interrupted;
mod inventories;
mod isolated;
mod kernel_module;
#[path = "../support/lab/lab.rs"]
mod lab;
mod machines;
mod many;
#[path = "../support/packages.rs"]
mod packages;
mod pulls;
mod quorum;
mod reached;
mod repair;
mod repair_from_node;
mod replicas;
mod reset;
#[path = "../support/roots.rs"]
#[allow(clippy::print_stderr, reason = "a skipped check says why")]
mod roots;
#[path = "../support/samples.rs"]
mod samples;
#[path = "../support/upstream/server.rs"]
mod server;
mod site_registry;
mod standin;
mod standin_cluster;
mod standin_etcd;
mod standin_upkeep;
mod stick;
mod virtual_address;
