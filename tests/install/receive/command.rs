//! `airlock node receive` and `airlock install` after it, as they are typed, in a root of their own.

use airlock::bundle::{Bundle, Verified};
use airlock::cluster::order::{self, Terms, Trust};
use airlock::node::agent::Request;
use airlock::node::receive::stream::{self, BlobHead};
use airlock::store::import::Supply as _;
use airlock::trust::signature::Signer as _;

use super::{bundle, contents};
use crate::bundles::{Contents, test_key};
use crate::stage::Stage;

/// Everything that is sent to a node that has nothing.
fn whole(bundle: &Bundle<Verified>) -> Vec<u8> {
    let mut bytes = stream::beginning(&bundle.signed());
    for blob in &bundle.manifest().blobs {
        bytes.extend(stream::line(&BlobHead { blob: blob.digest, offset: 0 }));
        bytes.extend(bundle.read_blob(blob.digest, 1 << 20).unwrap());
    }
    bytes
}

fn newer() -> Contents {
    let mut contents = contents();
    contents.manifest.version = "2.0".to_owned();
    contents.manifest.serial += 1;
    contents
}

#[test]
fn a_bundle_comes_by_standard_input_and_is_what_an_installation_takes() {
    let stage = Stage::empty();
    let fingerprint = test_key().public_key().fingerprint();
    for (name, contents) in [("first", contents()), ("second", newer())] {
        let bundle = bundle(&contents);
        fs_err::write(stage.path(&format!("{name}.head")), stream::beginning(&bundle.signed())).unwrap();
        fs_err::write(stage.path(name), whole(&bundle)).unwrap();
    }
    stage.write_policy(&[]);
    let script = format!(
        "trust='--trust {fingerprint}'
         airlock node receive --plan < first.head 2>&1 | head -1
         airlock node receive --plan $trust < first.head
         head -c 3000 first | airlock node receive $trust; echo status $?
         airlock node receive $trust < first
         airlock node receive --plan $trust < first.head
         airlock node receive --plan --json $trust < first.head
         airlock node receive $trust < second
         airlock node receive --plan $trust < first.head
         echo garbage | airlock node receive $trust; echo status $?
         airlock install --plan --policy policy.yaml $trust --no-packages | grep -c .
         airlock install --plan --policy policy.yaml $trust --no-packages --bundle golden@1.0 | grep Go.back
         airlock install --plan --policy policy.yaml $trust --no-packages --bundle golden@3.0; echo status $?"
    );
    let Some(output) = stage.private(&script) else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &stage.told(&output);
    insta::assert_snapshot!(text);
}

/// What is to be believed, as the sender says it, holds where the bundle comes in too.
#[test]
fn a_revoked_key_too_few_signatures_and_a_low_serial_are_refused_by_the_receiver() {
    let stage = Stage::empty();
    let (key, bundle) = (test_key(), bundle(&contents()));
    fs_err::write(stage.path("head"), stream::beginning(&bundle.signed())).unwrap();
    fs_err::write(stage.path("whole"), whole(&bundle)).unwrap();
    let signed_by = |threshold| Terms {
        trust: Trust::Signers { list: key.public_key().allowed_line("test"), threshold },
        ..Terms::as_before()
    };
    let revoked = Terms { revoked: Some(key.public_key().fingerprint()), ..signed_by(1) };
    let newer = Terms { minimum_serial: Some(bundle.manifest().serial + 1), ..signed_by(1) };
    let mut script = String::new();
    for terms in [revoked, signed_by(2), newer, signed_by(1)] {
        for (command, input) in [(order::receive_plan(&terms), "head"), (order::receive(&terms), "whole")] {
            script += &format!("airlock {} < {input}; echo status $?\n", typed(&stage, &command.request));
        }
    }
    let Some(output) = stage.private(&script) else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &stage.told(&output);
    insta::assert_snapshot!(text);
}

/// The words of a request, which name its files as they are written here.
fn typed(stage: &Stage, request: &Request) -> String {
    let word = |word: &String| {
        let name = word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
        let Some(name) = name else { return word.clone() };
        fs_err::write(stage.path(name), &request.files[name]).unwrap();
        name.to_owned()
    };
    request.arguments.iter().map(word).collect::<Vec<_>>().join(" ")
}
