//! What systemd and a service tell each other: sockets come (sd_listen_fds(3)), "ready" goes (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// The first descriptor that is handed over.
const FIRST: i32 = 3;

/// The sockets that were handed over, `count` of them.
///
/// A descriptor is a number that somebody claims to be ours; only the kernel can make something safe of it. It
/// is asked for duplicates through a handle of this very process.
pub(super) fn sockets(count: usize) -> io::Result<Vec<OwnedFd>> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let numbers = (FIRST..).take(count);
    let sockets = numbers.map(|number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty()));
    Ok(sockets.collect::<Result<_, _>>()?)
}

/// Tells the service manager that the service is in this state, such as `READY=1`.
pub(super) fn notify(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_hears_what_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("airlock-test-{}", std::process::id());
        let abstract_socket =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let sockets = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path).unwrap()),
            (format!("@{name}").into(), abstract_socket),
        ];
        for (address, socket) in sockets {
            notify(&address, "READY=1").unwrap();
            let mut buffer = [0; 16];
            let count = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], b"READY=1");
        }
        assert!(notify(OsStr::new("/nowhere/at/all"), "READY=1").is_err());
    }
}
