//! A bundle that is sent to a node, over connections that break.

mod command;

use std::io::{Read, Write as _, pipe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use airlock::bundle::{Bundle, Verified};
use airlock::cluster::order::Terms;
use airlock::cluster::remote::{Answer, Command, Remote};
use airlock::cluster::transfer::{self, Sent};
use airlock::error::{Error, Result, codes};
use airlock::node::receive::{self, stream};
use airlock::progress::{Event, Progress, Silent};
use airlock::store::{Content as _, Store};
use airlock::trust::key_file::KeyFile;
use airlock::trust::signature::{MANIFEST_NAMESPACE, sign};

use super::bundles::{Contents, policy_for, test_policy};
use super::machine::{Host, contents};

const STORE: &str = "/var/lib/airlock/store";

/// A node that does in this process what `airlock node receive` does. Its connection breaks after so many bytes of
/// blobs, if it is told so.
struct Line<'a> {
    host: &'a Host,
    breaks_after: Mutex<Option<usize>>,
    carried: Mutex<u64>,
}

impl<'a> Line<'a> {
    fn to(host: &'a Host) -> Line<'a> {
        Line { host, breaks_after: Mutex::default(), carried: Mutex::default() }
    }

    fn breaking(host: &'a Host, after: usize) -> Line<'a> {
        Line { breaks_after: Mutex::new(Some(after)), ..Line::to(host) }
    }

    fn plan(&self, input: &mut dyn Read) -> Result<String> {
        let signed = stream::read_beginning(&mut std::io::BufReader::new(input))?;
        let verified = signed.verify(&test_policy())?;
        let lacks = receive::plan(&self.host.machine, &verified, &Silent)?;
        Ok(serde_json::to_string(&lacks).unwrap())
    }

    fn take(&self, input: &mut (dyn Read + Send)) -> Result<String> {
        let (out, mut into) = pipe().unwrap();
        let mut out = std::io::BufReader::new(out);
        let limit = self.breaks_after.lock().unwrap().take().unwrap_or(usize::MAX);
        thread::scope(|scope| {
            scope.spawn(move || {
                let carried = std::io::copy(&mut input.take(limit as u64), &mut into).unwrap_or_default();
                let _ = into.flush();
                *self.carried.lock().unwrap() += carried;
            });
            let signed = stream::read_beginning(&mut out)?;
            let verified = signed.verify(&test_policy())?;
            let received = receive::receive(&self.host.machine, signed, verified, Box::new(out), &Silent)?;
            Ok(serde_json::to_string(&received).unwrap())
        })
    }
}

impl Remote for Line<'_> {
    fn run(&self, command: Command<'_>, _: &mut dyn FnMut(&str)) -> Result<Answer> {
        let input = command.input.unwrap();
        let answer = match command.request.arguments.iter().any(|word| word == "--plan") {
            true => self.plan(input),
            false => self.take(input),
        };
        Ok(match answer {
            Ok(output) => Answer { status: 0, output, errors: Vec::new() },
            Err(error) => Answer {
                status: error.kind().exit_status(),
                output: String::new(),
                errors: vec![told(&error)],
            },
        })
    }
}

fn told(error: &Error) -> String {
    let none: [&str; 0] = [];
    serde_json::json!({
        "code": error.code().to_string(), "message": error.message(), "details": error.details(), "causes": none,
        "help": error.help(),
    })
    .to_string()
}

fn bundle(contents: &Contents) -> Bundle<Verified> {
    contents.signed(None).verify().unwrap()
}

/// A bundle with something large in it and much that is small.
fn large() -> Contents {
    let mut files: Vec<Vec<u8>> = (0..60_u8).map(|number| vec![number; 100 + usize::from(number)]).collect();
    files.insert(10, (0..3_000_000_u32).map(|number| (number % 251) as u8).collect());
    files.push(Vec::new());
    let mut contents = Contents::with_files(&files.iter().map(Vec::as_slice).collect::<Vec<_>>());
    contents.manifest.serial = contents.manifest.serial.max(1);
    contents
}

fn send(line: &Line<'_>, bundle: &Bundle<Verified>) -> Result<Sent> {
    transfer::send(line, bundle, &Terms::as_before(), &Silent, &AtomicBool::new(false))
}

fn assert_whole(host: &Host, bundle: &Bundle<Verified>) {
    let store = Store::open(&host.machine.path(STORE)).unwrap();
    assert_eq!(store.bundle_digests().unwrap(), [bundle.digest()]);
    for blob in &bundle.manifest().blobs {
        store.blob(&blob.digest.into()).unwrap().unwrap().verify().unwrap();
    }
    assert_eq!(store.record_damage(&bundle.digest()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_bundle_is_sent_once_and_a_node_is_installed_from_it() {
    let (host, bundle) = (Host::new(), bundle(&contents()));
    let line = Line::to(&host);
    let sent = send(&line, &bundle).unwrap();
    let total = bundle.manifest().total_size();
    assert_eq!(sent, Sent { blobs: bundle.manifest().blobs.len() as u64, bytes: total, present_bytes: 0 });
    assert_whole(&host, &bundle);
    let again = send(&line, &bundle).unwrap();
    assert_eq!(again, Sent { blobs: 0, bytes: 0, present_bytes: total });
    let overhead = *line.carried.lock().unwrap() - total;
    assert!(overhead < 64 * 1024, "{overhead}: nothing was sent twice");
    assert_eq!(fs_err::read_dir(host.machine.path(STORE).join("incoming")).unwrap().count(), 0);
    // The step of the installation finds it there.
    assert!(!host.install(false).unwrap().changed.contains(&"store"));
}

#[test]
fn wherever_it_is_cut_the_next_sending_goes_on_there() {
    let bundle = bundle(&large());
    let total = bundle.manifest().total_size();
    let host = Host::new();
    let mut sent_before = 0;
    for after in [0, 10, 30_000, 500_000, 1_500_000] {
        let line = Line::breaking(&host, after);
        let error = send(&line, &bundle).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::RECEIVE_CUT, 8), "{after}");
        assert!(error.help().unwrap().contains("same command again"));
        sent_before += *line.carried.lock().unwrap();
    }
    let last = send(&Line::to(&host), &bundle).unwrap();
    assert_whole(&host, &bundle);
    assert!(last.present_bytes > 1_900_000 && last.bytes + last.present_bytes == total, "{last:?}");
    assert!(sent_before + last.bytes < total + 400_000, "what has come was not sent again");
}

#[test]
fn damage_of_what_has_come_is_found_and_sent_again() {
    let (host, bundle) = (Host::new(), bundle(&large()));
    send(&Line::breaking(&host, 2_000_000), &bundle).unwrap_err();
    let blobs = host.machine.path(STORE).join("blobs/sha256");
    let whole = fs_err::read_dir(&blobs).unwrap().next().unwrap().unwrap().path();
    fs_err::write(&whole, vec![b'#'; fs_err::metadata(&whole).unwrap().len() as usize]).unwrap();
    let incoming = host.machine.path(STORE).join("incoming");
    let begun = fs_err::read_dir(&incoming).unwrap().next().unwrap().unwrap().path();
    let length = fs_err::metadata(&begun).unwrap().len();
    fs_err::write(&begun, vec![b'#'; length as usize]).unwrap();
    let error = send(&Line::to(&host), &bundle).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::WRONG_DIGEST, 4));
    send(&Line::to(&host), &bundle).unwrap();
    assert_whole(&host, &bundle);
}

#[test]
fn a_bundle_that_is_damaged_here_is_told_as_such_and_gets_no_name_there() {
    let mut volumes = large().signed(None);
    let at = volumes.first().len() - 1_500_000;
    volumes.first()[at] ^= 1;
    let (host, bundle) = (Host::new(), volumes.verify().unwrap());
    let error = send(&Line::to(&host), &bundle).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::BLOB_DAMAGED, 4));
    let store = Store::open(&host.machine.path(STORE)).unwrap();
    assert!(store.bundle_digests().unwrap().is_empty());
}

/// Sets a flag when some bytes have gone.
struct StopSoon(AtomicBool);

impl Progress for StopSoon {
    fn event(&self, event: Event<'_>) {
        if let Event::Advanced { .. } = event {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_sending_that_is_stopped_says_so_and_goes_on_later() {
    let (host, bundle) = (Host::new(), bundle(&large()));
    let soon = StopSoon(AtomicBool::new(false));
    let error = transfer::send(&Line::to(&host), &bundle, &Terms::as_before(), &soon, &soon.0).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::INTERRUPTED, 130));
    send(&Line::to(&host), &bundle).unwrap();
    assert_whole(&host, &bundle);
}

#[test]
fn what_is_not_believed_is_not_taken() {
    let host = Host::new();
    let stranger = airlock::trust::key::generate("stranger", None).unwrap();
    let key = KeyFile::parse("key", stranger.private.reveal(), || panic!("not encrypted")).unwrap();
    let signature = sign(&key, MANIFEST_NAMESPACE, &large().manifest.to_bytes()).unwrap();
    let volumes = large().volumes(Some(signature.as_bytes()), None);
    let bundle = volumes.open().unwrap().verify(&policy_for(&stranger.public)).unwrap();
    let error = send(&Line::to(&host), &bundle).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::SIGNER_UNKNOWN, 5));
    assert!(!host.machine.path(STORE).exists(), "nothing was changed");
}
