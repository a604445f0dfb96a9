//! Every packet on the bridge of a lab, recorded by tcpdump, and whom they were from and to.
//!
//! The format is that of pcap-savefile(5): a header of 24 bytes, then each packet behind a header of 16 bytes, in
//! the byte order of the machine. What is inside are Ethernet frames.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::command::command;
use super::{Result, network};

const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
const ETHERNET_HEADER: usize = 14;

/// A running recording. Dropping it ends it.
pub struct Capture {
    tcpdump: Child,
    file: PathBuf,
}

impl Capture {
    pub(super) fn start(namespace: &str, file: &Path) -> Result<Capture> {
        let arguments = ["netns", "exec", namespace, "tcpdump", "-i", "lab0", "-Z", "root", "-U", "-w"];
        let mut tcpdump = command("ip", &arguments).arg(file).stderr(Stdio::piped()).spawn()?;
        let mut said = String::new();
        if let Some(stderr) = tcpdump.stderr.take() {
            // It says that it listens when it does.
            BufReader::new(stderr).read_line(&mut said)?;
        }
        let capture = Capture { tcpdump, file: file.to_path_buf() };
        if said.contains("listening on") { Ok(capture) } else { Err(format!("tcpdump: {said}").into()) }
    }

    /// Ends it and reads what was recorded.
    pub fn stop(mut self) -> Result<Packets> {
        self.end();
        Ok(Packets::parse(&fs_err::read(&self.file)?))
    }

    fn end(&mut self) {
        // On SIGINT it writes what it still has.
        if let Ok(pid) = i32::try_from(self.tcpdump.id())
            && let Some(pid) = Pid::from_raw(pid)
        {
            let _ = kill_process(pid, Signal::INT);
        }
        let _ = self.tcpdump.wait();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.end();
    }
}

/// What was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// How many there were.
    pub count: usize,
    /// Who sent or was to receive one, including those that were only asked for (ARP).
    pub addresses: BTreeSet<IpAddr>,
}

impl Packets {
    fn parse(file: &[u8]) -> Packets {
        let mut packets = Packets::default();
        let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
        while let Some((header, behind)) = rest.split_at_checked(PACKET_HEADER) {
            let length = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]) as usize;
            let Some((frame, following)) = behind.split_at_checked(length) else { break };
            packets.count += 1;
            packets.addresses.extend(addresses(frame));
            rest = following;
        }
        packets
    }

    /// The addresses that are not of the lab: neither in its network nor bound to one link.
    pub fn foreign(&self) -> Vec<IpAddr> {
        self.addresses.iter().copied().filter(|address| !is_local(*address)).collect()
    }
}

// Ethernet II (IEEE 802.3): the type of what is inside at byte 12.
fn addresses(frame: &[u8]) -> Vec<IpAddr> {
    let inside = frame.get(ETHERNET_HEADER..).unwrap_or_default();
    let v4 = |at: usize| {
        let bytes = inside.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        bytes.map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)))
    };
    let v6 = |at: usize| {
        let bytes = inside.get(at..at + 16).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        bytes.map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))
    };
    let found = match frame.get(12..14) {
        Some([0x08, 0x00]) => [v4(12), v4(16)],
        Some([0x08, 0x06]) => [v4(14), v4(24)],
        Some([0x86, 0xdd]) => [v6(8), v6(24)],
        _ => [None, None],
    };
    found.into_iter().flatten().collect()
}

fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let is_group = address.octets()[..3] == [224, 0, 0];
            network::is_inside(address) || address.is_unspecified() || address.is_broadcast() || is_group
        }
        IpAddr::V6(address) => {
            // Scope 2 is the link (RFC 4291, 2.7).
            let is_group = address.is_multicast() && address.segments()[0] & 0xf == 2;
            address.is_unspecified() || address.is_unicast_link_local() || is_group
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ether_type: [u8; 2], inside: &[u8]) -> Vec<u8> {
        let frame = [&[0; 12][..], &ether_type, inside].concat();
        let length = u32::try_from(frame.len()).unwrap().to_ne_bytes();
        [&[0; 8][..], &length, &length, &frame].concat()
    }

    #[test]
    fn addresses_are_read_from_arp_and_ip() {
        let ip = [&[0; 12][..], &[10, 77, 0, 11], &[1, 1, 1, 1]].concat();
        let arp = [&[0; 14][..], &[10, 77, 0, 12], &[0; 6], &[10, 77, 1, 1]].concat();
        let link_local: Ipv6Addr = "fe80::1".parse().unwrap();
        let outside: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let ip6 = [&[0; 8][..], &link_local.octets(), &outside.octets()].concat();
        let file =
            [vec![0; 24], packet([8, 0], &ip), packet([8, 6], &arp), packet([0x86, 0xdd], &ip6)].concat();
        let packets = Packets::parse(&file);
        assert_eq!(packets.count, 3);
        let foreign: Vec<String> = packets.foreign().iter().map(ToString::to_string).collect();
        assert_eq!(foreign, ["1.1.1.1", "10.77.1.1", "2001:db8::1"]);
        assert_eq!(packets.addresses.len(), 6);
        // A file that was cut off ends with its last whole packet.
        assert_eq!(Packets::parse(&file[..file.len() - 1]).count, 2);
        assert_eq!(Packets::parse(b"").count, 0);
    }
}
