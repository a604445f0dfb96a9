//! The words that settings are made of, checked so strictly that they can go into any file and command line.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::facts::Subnet;

/// A network: `10.42.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub struct Cidr {
    address: IpAddr,
    length: u8,
}

impl Cidr {
    /// The network of pods of k3s.
    pub const POD_DEFAULT: Cidr = Cidr { address: IpAddr::V4(Ipv4Addr::new(10, 42, 0, 0)), length: 16 };
    /// The network of services of k3s.
    pub const SERVICE_DEFAULT: Cidr = Cidr { address: IpAddr::V4(Ipv4Addr::new(10, 43, 0, 0)), length: 16 };

    /// The same as facts about machines have it.
    pub fn subnet(&self) -> Subnet {
        Subnet { address: self.address, prefix: self.length }
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                prefix(self.address, self.length) == prefix(address, self.length)
            }
            _ => false,
        }
    }

    /// Whether both have an address in common.
    pub fn overlaps(&self, other: &Cidr) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

/// The first `length` bits of an address.
fn prefix(address: IpAddr, length: u8) -> u128 {
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    bits.checked_shr(width - u32::from(length)).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Cidr, String> {
        let wrong = || format!("`{}` is no network such as 10.42.0.0/16", crate::quote::quote(text));
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let length: u8 = length.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let cidr = Cidr { address, length };
        // Bits behind the prefix are a typing error: 10.42.1.0/16 is not a network.
        let low_bits_are_zero = || {
            let bits = prefix(address, width);
            length == 0 && bits == 0 || bits == prefix(address, length) << (width - length).min(127)
        };
        if (1..=width).contains(&length) && low_bits_are_zero() { Ok(cidr) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Cidr {
    type Error = String;

    fn try_from(text: String) -> Result<Cidr, String> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

/// A taint: `KEY=VALUE:EFFECT` or `KEY:EFFECT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub struct Taint(String);

impl Taint {
    /// As k3s and kubectl take it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What tells taints of a node apart, `KEY:EFFECT`: it has one value for that.
    pub fn identity(&self) -> String {
        identity(&self.0)
    }
}

/// The same of one that is only written.
pub fn identity(taint: &str) -> String {
    let (pair, effect) = taint.rsplit_once(':').unwrap_or((taint, ""));
    let key = pair.split_once('=').map_or(pair, |(key, _)| key);
    format!("{key}:{effect}")
}

impl FromStr for Taint {
    type Err = String;

    fn from_str(text: &str) -> Result<Taint, String> {
        let wrong = |why: &str| format!("`{}`: {why}", crate::quote::quote(text));
        let (pair, effect) = text.rsplit_once(':').ok_or_else(|| wrong("a taint is KEY=VALUE:EFFECT"))?;
        if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) {
            return Err(wrong("the effect is NoSchedule, PreferNoSchedule or NoExecute"));
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        check_key(key).and_then(|()| check_value(value)).map_err(wrong)?;
        Ok(Taint(text.to_owned()))
    }
}

impl TryFrom<String> for Taint {
    type Error = String;

    fn try_from(text: String) -> Result<Taint, String> {
        text.parse()
    }
}

impl From<Taint> for String {
    fn from(taint: Taint) -> String {
        taint.0
    }
}

/// A label that a kubelet may give to its own node (kubernetes.io/docs, "Labels and Selectors", and the
/// NodeRestriction admission plugin; k3s ends itself over others).
///
/// # Errors
/// Why it is none.
pub fn check_label(key: &str, value: &str) -> Result<(), &'static str> {
    check_key(key)?;
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let is_reserved = ["kubernetes.io", "k8s.io"]
        .iter()
        .any(|reserved| domain == *reserved || domain.ends_with(&format!(".{reserved}")));
    let may_be_set = ["kubelet.kubernetes.io", "node.kubernetes.io"]
        .iter()
        .any(|allowed| domain == *allowed || domain.ends_with(&format!(".{allowed}")));
    if is_reserved && !may_be_set {
        return Err("a node may not give itself labels of kubernetes.io and k8s.io; use `kubectl label`");
    }
    check_value(value)
}

/// The key of a label or taint, whoever may set it.
///
/// # Errors
/// Why it is none.
pub fn check_key(key: &str) -> Result<(), &'static str> {
    let (domain, name) = key.split_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    if domain.is_some_and(|domain| check_node_name(domain).is_err()) {
        return Err("what is before the `/` is no name of a domain");
    }
    if name.is_empty() { Err("the name is empty") } else { check_value(name) }
}

/// The value of a label or taint.
///
/// # Errors
/// Why it is none.
pub fn check_value(value: &str) -> Result<(), &'static str> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let ends = [value.chars().next(), value.chars().next_back()];
    let ends_fit = ends.iter().flatten().all(char::is_ascii_alphanumeric);
    if value.len() <= 63 && value.chars().all(fits) && ends_fit {
        Ok(())
    } else {
        Err("up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends")
    }
}

/// A name as RFC 1123 has it, in small letters.
pub(crate) fn check_node_name(name: &str) -> Result<(), &'static str> {
    let is_part = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&part.len())
            && part.bytes().all(fits)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    match name.len() <= 253 && name.split('.').all(is_part) {
        true => Ok(()),
        false => Err("small letters, digits and `-`, parts joined by `.`"),
    }
}

/// An address, or a name as RFC 1123 has it.
pub(crate) fn check_host(name: &str) -> Result<(), &'static str> {
    match name.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => check_node_name(name),
    }
}

/// `https://HOST` with an optional port, nothing behind.
pub(crate) fn check_url(url: &str) -> Result<(), &'static str> {
    let wrong = "it is https://HOST:PORT";
    let rest = url.strip_prefix("https://").ok_or(wrong)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, port)| (host, port.strip_prefix(':'))).ok_or(wrong)?,
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if port_fits { check_host(host).map_err(|_| wrong) } else { Err(wrong) }
}

/// A name that the kernel accepts (dev_valid_name), without what would need quoting.
pub(crate) fn check_interface(name: &str) -> Result<(), &'static str> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_.@".contains(character);
    let is_name = (1..=15).contains(&name.len()) && name.chars().all(fits) && !name.starts_with(['-', '.']);
    if is_name { Ok(()) } else { Err("it is no name of an interface") }
}

/// A part of k3s that can be left out.
pub(crate) fn check_component(name: &str) -> Result<(), &'static str> {
    check_node_name(name).map_err(|_| "it is a name such as traefik or servicelb")
}

/// An absolute path that needs no quoting anywhere.
pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
    let is_plain = path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    match path.starts_with('/') && path.chars().all(fits) && is_plain {
        true => Ok(()),
        false => Err("an absolute path of letters, digits, `-`, `_` and `.`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_no_bits_behind_their_prefix() {
        for good in ["10.42.0.0/16", "10.0.0.1/32", "fd00:42::/56", "::1/128", "128.0.0.0/1"] {
            assert_eq!(good.parse::<Cidr>().unwrap().to_string(), good);
        }
        for bad in ["10.42.1.0/16", "10.42.0.0", "10.42.0.0/0", "10.42.0.0/33", "a/8", "fd00::1/64", "/8"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_overlap_where_one_is_in_the_other() {
        let cidr = |text: &str| text.parse::<Cidr>().unwrap();
        assert!(cidr("10.0.0.0/8").overlaps(&cidr("10.43.0.0/16")));
        assert!(cidr("10.43.0.0/16").overlaps(&cidr("10.0.0.0/8")));
        assert!(!cidr("10.42.0.0/16").overlaps(&cidr("10.43.0.0/16")));
        assert!(!cidr("10.42.0.0/16").overlaps(&cidr("fd00::/8")));
        assert!(cidr("10.42.0.0/16").contains("10.42.255.1".parse().unwrap()));
    }

    #[test]
    fn urls_are_https_and_nothing_behind() {
        for good in
            ["https://a:6443", "https://10.0.0.1:6443/", "https://[fd00::1]:6443", "https://harbor.lab"]
        {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in [
            "http://a",
            "https://",
            "https://a:0",
            "https://a:x",
            "https://a/b",
            "https://u:p@a",
            "https://a b",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_are_those_that_a_kubelet_may_set() {
        for (key, value) in [("gpu", ""), ("nvidia.com/gpu.present", "true"), ("node.kubernetes.io/x", "a")] {
            assert_eq!(check_label(key, value), Ok(()), "{key}");
        }
        for (key, value) in
            [("", ""), ("kubernetes.io/x", "a"), ("x.k8s.io/y", "a"), ("a", "b c"), ("a/b/c", "")]
        {
            assert!(check_label(key, value).is_err(), "{key}={value}");
        }
        assert!("gpu=yes:NoSchedule".parse::<Taint>().is_ok() && "gpu:NoExecute".parse::<Taint>().is_ok());
        assert!("gpu=yes".parse::<Taint>().is_err());
    }
}
