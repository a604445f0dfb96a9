//! Signs through a running ssh-agent (draft-miller-ssh-agent), so the private key never enters this process.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use ssh_encoding::{Decode, Encode, Reader};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, Signature, SshSig};

use super::key::PublicKey;
use super::signature::Signer;
use crate::error::{Error, Result, codes};
use crate::quote::escape;

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// OpenSSH's own limit for one message.
const MAX_MESSAGE: u32 = 256 * 1024;

/// A key in an agent.
pub struct Agent {
    socket: PathBuf,
    key: PublicKey,
}

impl Agent {
    /// Selects `key` in the agent that listens at `socket`. Fails if the agent does not hold it.
    pub fn connect(socket: &Path, key: PublicKey) -> Result<Agent> {
        let agent = Agent { socket: socket.to_owned(), key };
        let held = agent.identities()?;
        if held.iter().any(|key| key == agent.key.data()) {
            return Ok(agent);
        }
        let message = format!("the ssh-agent does not hold the key {}", agent.key.fingerprint());
        let error = Error::new(codes::AGENT_KEY, message).with_help("ssh-add PRIVATE_KEY_FILE");
        let shown = held.iter().take(10).map(|key| key.fingerprint(HashAlg::Sha256));
        Err(shown.fold(error, |error, key| error.with_detail(format!("it holds {key}"))))
    }

    /// The keys the agent holds; those of kinds that this program does not know are left out.
    fn identities(&self) -> Result<Vec<KeyData>> {
        let answer = self.ask(REQUEST_IDENTITIES, &[], IDENTITIES_ANSWER)?;
        parse_identities(&answer)
            .map_err(|cause| self.failed("gave a malformed list of keys").with_source(cause))
    }

    /// Sends one request and returns the body of its answer.
    fn ask(&self, request: u8, body: &[u8], expected: u8) -> Result<Vec<u8>> {
        let (kind, answer) = self
            .exchange(request, body)
            .map_err(|cause| self.failed("cannot be reached").with_source(cause))?;
        if kind != expected {
            return Err(self.failed(if request == SIGN_REQUEST {
                "refused to sign"
            } else {
                "refused to list its keys"
            }));
        }
        Ok(answer)
    }

    fn exchange(&self, request: u8, body: &[u8]) -> std::io::Result<(u8, Vec<u8>)> {
        let mut stream = UnixStream::connect(&self.socket)?;
        // A manifest is hashed before it is signed, so requests are far below any limit.
        let mut message = (body.len() as u32 + 1).to_be_bytes().to_vec();
        message.push(request);
        message.extend_from_slice(body);
        stream.write_all(&message)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length == 0 || length > MAX_MESSAGE {
            return Err(std::io::Error::other(format!("it announced a message of {length} bytes")));
        }
        let mut answer = vec![0; length as usize];
        stream.read_exact(&mut answer)?;
        Ok((answer[0], answer.split_off(1)))
    }

    fn failed(&self, what: &str) -> Error {
        let socket = self.socket.display().to_string();
        Error::new(codes::AGENT, format!("the ssh-agent at {} {what}", escape(&socket)))
            .with_help("check it with `ssh-add -l`, or sign with a private key file")
    }
}

impl Signer for Agent {
    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn signature(&self, namespace: &str, message: &[u8]) -> Result<SshSig> {
        let internal =
            |cause| Error::new(codes::INTERNAL, "no signature can be requested").with_source(cause);
        let data = SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(internal)?;
        let body = sign_request(&self.key.encoded(), &data).map_err(|cause| internal(cause.into()))?;
        let answer = self.ask(SIGN_REQUEST, &body, SIGN_RESPONSE)?;
        let signature = parse_signature(&answer)
            .map_err(|cause| self.failed("gave a malformed signature").with_source(cause))?;
        SshSig::new(self.key.data().clone(), namespace, HashAlg::Sha512, signature).map_err(internal)
    }
}

/// Section 4.5: key, data, flags.
fn sign_request(key: &[u8], data: &[u8]) -> ssh_encoding::Result<Vec<u8>> {
    let mut body = Vec::new();
    key.encode(&mut body)?;
    data.encode(&mut body)?;
    0u32.encode(&mut body)?;
    Ok(body)
}

/// Section 4.4: count, then key and comment of each.
fn parse_identities(answer: &[u8]) -> ssh_key::Result<Vec<KeyData>> {
    let reader = &mut &answer[..];
    let count = u32::decode(reader)?;
    let mut keys = Vec::new();
    for _ in 0..count {
        let key = Vec::<u8>::decode(reader)?;
        String::decode(reader)?;
        // Kinds of keys that we cannot use are no reason to fail.
        keys.extend(KeyData::decode(&mut key.as_slice()));
    }
    if !reader.is_finished() {
        return Err(ssh_key::Error::FormatEncoding);
    }
    Ok(keys)
}

fn parse_signature(answer: &[u8]) -> ssh_key::Result<Signature> {
    let reader = &mut &answer[..];
    let signature = reader.read_prefixed(Signature::decode)?;
    if !reader.is_finished() {
        return Err(ssh_key::Error::FormatEncoding);
    }
    Ok(signature)
}

#[cfg(test)]
mod tests;
