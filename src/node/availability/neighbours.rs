//! Whether another machine has an address already: who answers for it on the segment.
//!
//! A datagram makes the kernel ask by ARP (RFC 826), and its table of neighbours has the answer; no packet of our own
//! making is needed. Addresses of IPv6 are not asked for.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Error, Result, codes};
use crate::node::machine::Machine;
use crate::quote::quote;

/// The table (proc(5)).
const TABLE: &str = "/proc/net/arp";
/// `ATF_COM` of the kernel: the entry has an answer.
const COMPLETE: u32 = 0x2;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(1);
/// When the kernel has dropped an answer of before we asked that nobody repeats: 5 s until it asks again, 3 questions.
const STALE: Duration = Duration::from_secs(10);
/// How often the table is looked at.
const INTERVAL: Duration = Duration::from_millis(100);
/// The port that discards (RFC 863); nobody has to listen there.
const DISCARD: u16 = 9;

/// An address that nobody else may have.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// The address.
    pub(super) address: IpAddr,
    /// Who may have it: the nodes that share it.
    pub(super) peers: Vec<IpAddr>,
}

impl Guard {
    /// Asks for it.
    ///
    /// # Errors
    /// [`codes::VIRTUAL_ADDRESS_TAKEN`] if somebody answers who is none of the peers.
    pub(super) fn check(&self, machine: &Machine) -> Result<()> {
        let IpAddr::V4(address) = self.address else { return Ok(()) };
        match self.holder(address, machine)? {
            Some(holder) => Err(taken(address, &holder)),
            None => Ok(()),
        }
    }

    /// Who answers for it and is none of the peers.
    fn holder(&self, address: Ipv4Addr, machine: &Machine) -> Result<Option<String>> {
        let Some(before) = table(machine)? else { return Ok(None) };
        let patience = if hardware(&before, address).is_some() { STALE } else { ANSWER };
        let begin = Instant::now();
        self.ask();
        loop {
            let table = table(machine)?.unwrap_or_default();
            let holder = hardware(&table, address);
            let has_waited = begin.elapsed() >= if holder.is_some() { patience } else { ANSWER };
            match holder {
                Some(holder) if self.is_peer(&table, holder) => return Ok(None),
                holder if has_waited => return Ok(holder.map(str::to_owned)),
                _ => sleep(INTERVAL),
            }
        }
    }

    /// Makes the kernel look for all of them. What it cannot even route, nobody nearby has.
    fn ask(&self) {
        let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else { return };
        for address in self.peers.iter().chain([&self.address]) {
            let _ = socket.send_to(&[], (*address, DISCARD));
        }
    }

    fn is_peer(&self, table: &str, holder: &str) -> bool {
        self.peers.iter().any(|peer| match peer {
            IpAddr::V4(peer) => hardware(table, *peer) == Some(holder),
            IpAddr::V6(_) => false,
        })
    }
}

/// The hardware address of whoever answers for an address on the segment of this machine, this machine apart; nothing
/// if nobody does, or if it is an address of IPv6, for which nobody is asked. Takes a second, rarely ten.
///
/// # Errors
/// Those of [`Machine::read_text`] for the table of neighbours.
pub fn who_has(address: IpAddr, machine: &Machine) -> Result<Option<String>> {
    match address {
        IpAddr::V4(four) => Guard { address, peers: Vec::new() }.holder(four, machine),
        IpAddr::V6(_) => Ok(None),
    }
}

/// The table, where the kernel has one.
fn table(machine: &Machine) -> Result<Option<String>> {
    machine.read_text(TABLE)
}

/// Who answers for an address, by the table: `IP address, HW type, Flags, HW address, Mask, Device`.
fn hardware(table: &str, address: Ipv4Addr) -> Option<&str> {
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [ip, _, flags, hardware, ..] = columns[..] else { return None };
        let flags = u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?;
        (ip.parse() == Ok(address) && flags & COMPLETE != 0).then_some(hardware)
    })
}

fn taken(address: Ipv4Addr, holder: &str) -> Error {
    let message =
        format!("another machine has the virtual address {address}: {} answers for it", quote(holder));
    Error::new(codes::VIRTUAL_ADDRESS_TAKEN, message).with_help(format!(
        "choose an address that nobody has; or find that machine by its hardware address, `ip neigh show {address}`, \
         and give it another one; then run the same command again"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;

    const HEAD: &str = "IP address       HW type     Flags       HW address            Mask     Device\n";

    fn line(address: &str, flags: &str, hardware: &str) -> String {
        format!("{address:<16} 0x1         {flags:<11} {hardware}     *        eth0\n")
    }

    #[test]
    fn who_answers_stands_in_the_table() {
        let table = format!(
            "{HEAD}{}{}",
            line("192.0.2.100", "0x0", "00:00:00:00:00:00"),
            line("192.0.2.2", "0x2", "52:54:00:00:00:02")
        );
        assert_eq!(hardware(&table, Ipv4Addr::new(192, 0, 2, 2)), Some("52:54:00:00:00:02"));
        assert_eq!(hardware(&table, Ipv4Addr::new(192, 0, 2, 100)), None, "it was asked for in vain");
        assert_eq!(hardware("torn", Ipv4Addr::new(192, 0, 2, 2)), None);
    }

    /// Addresses are those of documentation (RFC 5737).
    fn checked(lines: &[String]) -> Result<()> {
        let root = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(root.path().join("proc/net")).unwrap();
        fs_err::write(root.path().join("proc/net/arp"), format!("{HEAD}{}", lines.concat())).unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        let peers = vec!["192.0.2.2".parse().unwrap()];
        Guard { address: "192.0.2.100".parse().unwrap(), peers }.check(&machine)
    }

    #[test]
    fn a_node_that_shares_the_address_may_have_it() {
        let peer = line("192.0.2.2", "0x2", "52:54:00:00:00:02");
        assert!(checked(&[peer, line("192.0.2.100", "0x2", "52:54:00:00:00:02")]).is_ok());
        assert!(checked(&[]).is_ok(), "nobody has it");
    }

    #[test]
    fn somebody_else_is_named() {
        let error = taken(Ipv4Addr::new(192, 0, 2, 100), "52:54:00:00:00:09");
        assert_eq!(error.code(), codes::VIRTUAL_ADDRESS_TAKEN);
        assert!(error.message().contains("52:54:00:00:00:09 answers"), "{error}");
    }
}
