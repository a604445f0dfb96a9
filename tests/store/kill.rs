//! Commands that are killed at any moment leave a sound store, and are simply run again.

use std::time::Duration;

use super::node::{Node, assert_sound, files_below};

const ROUNDS: u32 = 20;

#[test]
fn killed_imports_and_collections_leave_a_sound_store() {
    let files: Vec<Vec<u8>> = (0..6u8).map(|byte| vec![byte; 3_000_000]).collect();
    let node = Node::with_files(&files.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let mut moments = 0x2545_f491u32;
    for round in 0..ROUNDS {
        let command: &[&str] = match round % 4 {
            3 if node.path("store/oci-layout").exists() => &["gc", "--grace", "0"],
            _ => &["import", "stick"],
        };
        let mut child = node.command(command).spawn().unwrap();
        // Any moment is as good as another; these are spread over the length of an import.
        moments ^= moments << 13;
        moments ^= moments >> 17;
        moments ^= moments << 5;
        std::thread::sleep(Duration::from_millis(u64::from(moments % 120)));
        child.kill().unwrap();
        child.wait().unwrap();
        if node.path("store").exists() {
            assert_sound(&node.path("store"));
        }
        if round % 5 == 4 && node.path("store/names").exists() {
            // Begins anew every now and then, so that all phases are met.
            let _ = node.command(&["remove", "golden"]).output().unwrap();
            node.age();
            assert!(
                node.command(&["gc"]).output().unwrap().status.success()
                    || !node.path("store/oci-layout").exists()
            );
        }
    }
    node.json(&["import", "stick"]);
    node.json(&["verify"]);
    node.age();
    node.json(&["gc"]);
    assert!(files_below(&node.path("store/incoming")).is_empty(), "nothing of the killed ones is left");
    assert_sound(&node.path("store"));
}
