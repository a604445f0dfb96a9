//! `k3s certificate check|rotate`: what certificates this node has, how long they are valid, and how they are made anew.

use std::path::PathBuf;

use fs_err as fs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::certificates::{self, Clock, DAY, RENEWED_BEFORE};
use super::configuration;
use super::flags::Role;
use super::paths::Paths;
use super::{Result, Variables, log, say};

/// Those that are issued, and are made anew when they are missing. The real program has more.
const SERVER: [&str; 2] = ["client-admin", "serving-kube-apiserver"];
const AGENT: [&str; 1] = ["client-kubelet"];

/// Runs one command.
pub fn run(arguments: &[String], variables: &Variables) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let values = configuration::read(Role::Server, std::path::Path::new(super::settings::CONFIGURATION))?;
    let data = values.get("data-dir").and_then(|values| values.last()).map(String::as_str);
    let data = value(&words, &["-d", "--data-dir"]).or(data);
    let paths = Paths::new(data.unwrap_or(super::settings::DATA_DIRECTORY));
    match words[..] {
        ["check", ref options @ ..] => check(&paths, Clock::new(variables)?, options),
        ["rotate", ..] => rotate(&paths),
        _ => Err("No help topic for 'certificate'".into()),
    }
}

/// The value of an option that has these names: in the same word, or in the next.
fn value<'a>(words: &[&'a str], names: &[&str]) -> Option<&'a str> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some((name, value)) if names.contains(&name) => return Some(value),
            None if names.contains(word) => return words.next().copied(),
            _ => {}
        }
    }
    None
}

fn files(paths: &Paths) -> Vec<PathBuf> {
    let is_server = paths.server("").exists();
    log::info(if is_server {
        "Server detected, checking agent and server certificates"
    } else {
        "Agent detected"
    });
    let server = SERVER.iter().map(|name| paths.server(&format!("tls/{name}.crt")));
    let all = server.chain(AGENT.iter().map(|name| paths.agent(&format!("{name}.crt"))));
    all.filter(|file| file.exists()).collect()
}

fn check(paths: &Paths, clock: Clock, options: &[&str]) -> Result<()> {
    let described: Result<Vec<Value>> = files(paths).into_iter().map(|file| describe(&file, clock)).collect();
    let described = described?;
    let output = value(options, &["-o", "--output"]).unwrap_or("text");
    match output {
        "json" => say(&json!({"Certificates": described}).to_string()),
        "table" => {
            say(
                "\nFILENAME   SUBJECT   USAGES   EXPIRES   STATUS\n--------   -------   ------   -------   ------",
            )?;
            described.iter().try_for_each(|one| say(&cells(one).join("   ")))
        }
        "text" => {
            described.iter().for_each(|one| {
                let [file, subject, usages, expires, status] = cells(one);
                log::info(&format!(
                    "{file}: certificate {subject} ({usages}) is {status}, expires at {expires}"
                ));
            });
            Ok(())
        }
        other => Err(format!("invalid output format {other}").into()),
    }
}

fn cells(certificate: &Value) -> [String; 5] {
    let text = |name: &str| certificate[name].as_str().unwrap_or_default().to_owned();
    let usages = certificate["Usages"].as_array().into_iter().flatten().filter_map(Value::as_str);
    [
        text("Filename"),
        text("Subject"),
        usages.collect::<Vec<_>>().join(","),
        text("ExpiryTime"),
        text("Status"),
    ]
}

/// The fields of the real program.
fn describe(file: &std::path::Path, clock: Clock) -> Result<Value> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let certificate = CertificateDer::from_pem_slice(&fs::read(file)?)?;
    let expires = certificates::expiry(&certificate).ok_or("x509: malformed validity")?;
    let left = expires.as_second() - i64::try_from(clock.seconds())?;
    let status = match left {
        ..=0 => "EXPIRED",
        left if left < i64::try_from(RENEWED_BEFORE * DAY)? => "WARNING",
        _ => "OK",
    };
    let [issuer, subject] = certificates::names(&certificate);
    let usage = if name.starts_with("serving") { "ServerAuth" } else { "ClientAuth" };
    Ok(json!({"Filename": name, "Subject": subject, "Issuer": issuer, "Usages": [usage], "Status": status,
        "ExpiryTime": expires.to_string(), "ResidualTime": left.saturating_mul(1_000_000_000)}))
}

/// Puts all aside. The next start makes new ones.
fn rotate(paths: &Paths) -> Result<()> {
    let files = files(paths);
    let backup = certificates::set_aside(paths)?;
    for file in files {
        log::info(&format!("Rotating certificate {}", file.display()));
        fs::remove_file(file)?;
    }
    let backup = backup.unwrap_or_else(|| paths.agent(""));
    log::info(&format!(
        "Successfully backed up certificates to {}, please restart k3s server or agent to rotate certificates",
        backup.display()
    ));
    Ok(())
}
