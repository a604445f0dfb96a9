//! Kills whoever changes a store, at random instants, and checks the store after each kill.
//!
//! Two bundles share some tags and some layers. They are imported and removed, images are pushed over their
//! tags and deleted, garbage is collected; each round kills one of these and then runs it again.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use airlock::oci::digest::Digest;
use airlock::trust::signature::Signer as _;

use crate::image_bundle::{self, OCI_MANIFEST};
use crate::store_check;
use crate::store_server::{Client, Result, Server};

const TOKEN: &str = "token-of-the-kills-0123456789";

/// Bytes of a layer, at most.
const LAYER: u64 = 1 << 20;

/// A store, and what is done to it.
pub struct Arena {
    program: PathBuf,
    directory: PathBuf,
    random: Random,
    /// How long each kind of change has taken undisturbed.
    whole: [Option<Duration>; 5],
}

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// `store import`.
    Import,
    /// A server that receives an image.
    Push,
    /// `store gc`.
    Collect,
    /// A server that deletes an image.
    Delete,
    /// `store remove`.
    Remove,
}

impl Victim {
    /// All of them.
    pub const ALL: [Victim; 5] =
        [Victim::Import, Victim::Push, Victim::Collect, Victim::Delete, Victim::Remove];
}

/// Numbers that look random and are the same for the same seed (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(LAYER) + 1;
        let seed = self.0;
        let block = |counter: u64| *Digest::of(&(seed ^ counter).to_le_bytes()).bytes();
        (0..length.div_ceil(32)).flat_map(block).take(length as usize).collect()
    }
}

/// An image that was, or will be, pushed.
#[derive(Clone)]
struct Pushed {
    repository: &'static str,
    tag: &'static str,
    layers: Vec<Vec<u8>>,
}

impl Pushed {
    fn target(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}ns=docker.io", self.repository)
    }
}

impl Arena {
    /// Writes the bundles below `directory`. Their store does not exist yet.
    pub fn new(program: &Path, directory: &Path, seed: u64) -> Result<Arena> {
        let mut random = Random(seed | 1);
        let layers: Vec<Vec<u8>> = (0..6).map(|_| random.bytes()).collect();
        let name = |number| ["docker.io/library/a:1", "docker.io/library/b:1", "docker.io/other/c:1"][number];
        let first = [(name(0), &*layers[0]), (name(1), &*layers[1]), (name(2), &*layers[2])];
        // The same layer, another one under the same tag, and a tag of its own.
        let second = [(name(0), &*layers[0]), (name(1), &*layers[3]), ("docker.io/other/c:2", &*layers[4])];
        for (number, images) in [(1, first), (2, second)] {
            let stick = directory.join(format!("stick-{number}"));
            fs_err::create_dir_all(&stick)?;
            image_bundle::bundle(&format!("{number}.0"), number, &images).signed(None).write_to(&stick);
        }
        let signers = crate::bundles::test_key().public_key().allowed_line("test");
        fs_err::write(directory.join("allowed_signers"), signers)?;
        fs_err::write(directory.join("token"), format!("{TOKEN}\n"))?;
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::set_permissions(directory.join("token"), std::fs::Permissions::from_mode(0o600))?;
        Ok(Arena { program: program.to_owned(), directory: directory.to_owned(), random, whole: [None; 5] })
    }

    fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    /// One round: something is killed, the store is checked, the same succeeds, and all waste goes.
    pub fn round(&mut self, victim: Victim) -> Result<()> {
        let change = self.prepare(victim)?;
        let delay = self.delay(victim);
        let undisturbed = self.perform(&change, delay)?;
        if let Some(time) = undisturbed.filter(|_| delay.is_none()) {
            self.whole[victim as usize] = Some(time);
        }
        self.check("after the kill")?;
        self.perform(&change, None)?;
        self.check("after the same again")?;
        self.collect_everything()
    }

    fn check(&self, when: &str) -> Result<()> {
        store_check::check(&self.store()).map_err(|error| format!("{when}: {error}").into())
    }

    /// A moment within the time that the change takes; none if that is not known yet.
    fn delay(&mut self, victim: Victim) -> Option<Duration> {
        let part = self.random.below(1000) as f64 / 900.0;
        self.whole[victim as usize].map(|whole| whole.mul_f64(part))
    }

    /// Brings the store into a state in which the change has something to do.
    fn prepare(&mut self, victim: Victim) -> Result<Change> {
        let number = self.random.below(2) + 1;
        match victim {
            Victim::Import => Ok(Change::command(&["import", &format!("stick-{number}")])),
            Victim::Remove => {
                self.succeed(&["import", &format!("stick-{number}")])?;
                Ok(Change::command(&["remove", &format!("golden-{number}.0")]))
            }
            Victim::Collect => {
                self.succeed(&["import", "stick-1"])?;
                self.succeed(&["remove", "golden-1.0"])?;
                let push = Change::Push(self.image());
                self.perform(&push, None)?;
                self.make_old()?;
                Ok(Change::command(&["gc", "--grace", "0", "--untagged", "--older-than", "0h"]))
            }
            Victim::Push => Ok(Change::Push(self.image())),
            Victim::Delete => {
                let image = self.image();
                self.perform(&Change::Push(image.clone()), None)?;
                Ok(Change::Delete(image))
            }
        }
    }

    fn image(&mut self) -> Pushed {
        let (repository, tag) =
            [("library/a", "1"), ("library/b", "1"), ("other/c", "pushed"), ("pushed/d", "1")]
                [self.random.below(4) as usize];
        Pushed { repository, tag, layers: vec![self.random.bytes(), self.random.bytes()] }
    }

    /// How long it took, unless it was killed after `delay`. Without one it has to succeed.
    fn perform(&self, change: &Change, delay: Option<Duration>) -> Result<Option<Duration>> {
        match change {
            Change::Command(arguments) => self.run(arguments, delay),
            Change::Push(image) => self.serve(delay, &|client| push(client, image)),
            Change::Delete(image) => self.serve(delay, &|client| delete(client, image)),
        }
    }

    fn run(&self, arguments: &[String], delay: Option<Duration>) -> Result<Option<Duration>> {
        let begun = Instant::now();
        let mut process = self.command(arguments).spawn()?;
        if let Some(delay) = delay {
            // The instant of the kill is what is tried here, so time is what we wait for.
            std::thread::sleep(delay);
            process.kill()?;
            process.wait()?;
            return Ok(None);
        }
        let output = process.wait_with_output()?;
        // What was killed may have done all of it.
        let gone = arguments[0] == "remove" && output.status.code() == Some(2);
        if output.status.success() || gone {
            Ok(Some(begun.elapsed()))
        } else {
            Err(failure(arguments, &output))
        }
    }

    fn serve(
        &self,
        delay: Option<Duration>,
        ask: &(dyn Fn(&mut Client) -> Result<()> + Sync),
    ) -> Result<Option<Duration>> {
        let mut command = Command::new(&self.program);
        command.args(["registry", "serve", "--allow-delete", "--store", "store", "--token-file", "token"]);
        command.env_clear().env("HOME", &self.directory).current_dir(&self.directory);
        let mut server = Server::start(command)?;
        let mut client = server.connect()?;
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let asking = scope.spawn(move || ask(&mut client));
            if let Some(delay) = delay {
                std::thread::sleep(delay);
                server.kill()?;
            }
            let asked = asking.join().map_err(|_| "the client died")?;
            match delay {
                Some(_) => Ok(None),
                None => asked.map(|()| Some(begun.elapsed())),
            }
        })
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("HOME", &self.directory).current_dir(&self.directory);
        command.arg("store").args(arguments).args(["--store", "store", "--quiet"]);
        if arguments[0] == "import" {
            command.args(["--allowed-signers", "allowed_signers"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn succeed(&self, arguments: &[&str]) -> Result<()> {
        self.perform(&Change::command(arguments), None).map(drop)
    }

    fn make_old(&self) -> Result<()> {
        let old = SystemTime::now() - Duration::from_secs(7 * 24 * 60 * 60);
        for path in store_check::files_below(&self.store())? {
            fs_err::File::open(&path)?.file().set_modified(old)?;
        }
        Ok(())
    }

    /// Nothing of what was killed may be left.
    fn collect_everything(&self) -> Result<()> {
        self.make_old()?;
        self.succeed(&["gc", "--grace", "0"])?;
        self.check("after collecting garbage")?;
        for name in ["incoming", "uploads"] {
            if let Some(entry) = fs_err::read_dir(self.store().join(name))?.next() {
                return Err(format!("{} is left", entry?.path().display()).into());
            }
        }
        Ok(())
    }
}

/// What is done to the store.
enum Change {
    Command(Vec<String>),
    Push(Pushed),
    Delete(Pushed),
}

impl Change {
    fn command(arguments: &[&str]) -> Change {
        Change::Command(arguments.iter().map(|&argument| argument.to_owned()).collect())
    }
}

fn failure(arguments: &[String], output: &Output) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{arguments:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into()
}

fn push(client: &mut Client, image: &Pushed) -> Result<()> {
    let layers: Vec<&[u8]> = image.layers.iter().map(Vec::as_slice).collect();
    let (manifest, config) = image_bundle::image(&layers);
    for blob in layers.into_iter().chain([config.as_slice()]) {
        let begun = ask(client, "POST", &image.target("blobs/uploads/?"), b"", &[202])?;
        let location = begun.location.ok_or("an upload without a location")?;
        let location = client_path(&location);
        // In two parts, so that there is something half.
        let (some, rest) = blob.split_at(blob.len() / 2);
        ask(client, "PATCH", &location, some, &[202])?;
        let mark = if location.contains('?') { '&' } else { '?' };
        ask(client, "PUT", &format!("{location}{mark}digest={}", Digest::of(blob)), rest, &[201])?;
    }
    let target = image.target(&format!("manifests/{}?", image.tag));
    ask(client, "PUT", &target, &manifest, &[201]).map(drop)
}

fn client_path(location: &str) -> String {
    let path = location.split_once("://").and_then(|(_, rest)| rest.find('/').map(|start| &rest[start..]));
    path.unwrap_or(location).to_owned()
}

fn delete(client: &mut Client, image: &Pushed) -> Result<()> {
    let layers: Vec<&[u8]> = image.layers.iter().map(Vec::as_slice).collect();
    let digest = Digest::of(&image_bundle::image(&layers).0);
    let layers = image.layers.iter().map(|layer| format!("blobs/{}?", Digest::of(layer)));
    let names = [format!("manifests/{}?", image.tag), format!("manifests/{digest}?")];
    for name in names.into_iter().chain(layers) {
        ask(client, "DELETE", &image.target(&name), b"", &[202, 404])?;
    }
    Ok(())
}

fn ask(
    client: &mut Client,
    method: &str,
    target: &str,
    body: &[u8],
    expected: &[u16],
) -> Result<crate::store_server::Answer> {
    let authorization = format!("Bearer {TOKEN}");
    let media_type = if target.contains("/manifests/") { OCI_MANIFEST } else { "application/octet-stream" };
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", media_type)];
    let answer = client.ask(method, target, &headers, body)?;
    if expected.contains(&answer.status) {
        return Ok(answer);
    }
    Err(format!("{method} {target}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)).into())
}
