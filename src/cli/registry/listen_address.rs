//! A place to listen at: `[https://|http://]ADDRESS:PORT`.

use std::net::SocketAddr;
use std::str::FromStr;

/// Where to listen, and whether with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// The address and port.
    pub address: SocketAddr,
    /// With TLS, unless plain HTTP was asked for.
    pub encrypted: bool,
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (encrypted, address) = match text.split_once("://") {
            None => (true, text),
            Some(("https", address)) => (true, address),
            Some(("http", address)) => (false, address),
            Some(_) => return Err("it begins with `https://`, `http://` or neither".to_owned()),
        };
        let parsed = address.trim_end_matches('/').parse();
        let example = "write an IP address and a port, as in `10.0.0.1:5000` or `[::]:5000`";
        parsed.map(|address| ListenAddress { address, encrypted }).map_err(|_| example.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_what_nobody_needs_to_ask_for() {
        let parse = |text: &str| text.parse::<ListenAddress>();
        let address = "192.0.2.1:5000".parse().unwrap();
        let expected = |encrypted| Ok(ListenAddress { address, encrypted });
        assert_eq!(parse("192.0.2.1:5000"), expected(true));
        assert_eq!(parse("https://192.0.2.1:5000"), expected(true));
        assert_eq!(parse("http://192.0.2.1:5000/"), expected(false));
        assert_eq!(parse("[::]:0").unwrap().address, "[::]:0".parse().unwrap());
        for text in ["", "5000", "localhost:5000", "192.0.2.1", "ftp://192.0.2.1:5000", "192.0.2.1:70000"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
