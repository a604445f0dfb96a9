//! Downloads: resume, restart, limits, stalls (rows 78-81, 85, 102-105).

use std::time::Duration;

use airlock::error::{Code, codes};
use airlock::fetch::{Client, Location, Settings, download};

use crate::common::{Listener, Memory, client, content, expect, impatient, quick};
use crate::misbehaving::{Seen, Server, Step, answer, cut, head, rest};

const SIZE: usize = 300_000;
const MOST: u64 = 1 << 20;

/// Expected are the right bytes, or an error.
type Expected = Result<(), (Code, &'static str)>;

async fn check(
    case: &str,
    expected_size: Option<u64>,
    expected: Expected,
    script: impl Fn(&Seen, usize) -> Vec<Step> + Send + Sync + 'static,
) -> Server {
    check_with(&client(), case, expected_size, expected, script).await
}

async fn check_with(
    client: &Client,
    case: &str,
    expected_size: Option<u64>,
    expected: Expected,
    script: impl Fn(&Seen, usize) -> Vec<Step> + Send + Sync + 'static,
) -> Server {
    let server = Server::start(script);
    let (mut sink, listener) = (Memory::default(), Listener::new());
    let location = Location::url(&server.url("/file.bin?secret=hunter2")).unwrap();
    let result = download(client, &location, expected_size, MOST, &mut sink, &*listener).await;
    match expected {
        Ok(()) => {
            assert_eq!(result.unwrap_or_else(|error| panic!("{case}: {error}")), SIZE as u64, "{case}");
            assert!(sink.bytes == content(SIZE), "{case}: other bytes");
            assert_eq!(listener.advanced(), SIZE as u64, "{case}: bytes counted");
        }
        Err((code, text)) => {
            let error = result.expect_err(case);
            expect(case, &error, code, 8, text);
            assert!(!format!("{error:?} {:?}", error.causes()).contains("hunter2"), "{case}: {error:?}");
            assert!(sink.bytes.len() as u64 <= expected_size.unwrap_or(MOST), "{case}: too much taken");
        }
    }
    server
}

fn served() -> Vec<u8> {
    content(SIZE)
}

#[tokio::test]
async fn a_cut_body_is_continued_where_it_ended() {
    let size = Some(SIZE as u64);
    for (case, client, then) in [
        ("closed", client(), None),
        ("79: reset", client(), Some(Step::Reset)),
        ("stalled", impatient(), Some(Step::Stall)),
    ] {
        let server = check_with(&client, case, size, Ok(()), move |request, _| match request.start() {
            0 => cut(&served(), 100_000, &[], then.clone()),
            start => rest(&served(), start, &[]),
        })
        .await;
        let starts: Vec<usize> = server.seen().iter().map(Seen::start).collect();
        assert!(starts.len() == 2 && starts[0] == 0 && starts[1] > 0, "{case}: {starts:?}");
    }
}

#[tokio::test]
async fn progress_allows_more_attempts_than_a_server_without_any() {
    // Each answer brings 70 000 bytes, so that failures never add up.
    let server = check("pieces", Some(SIZE as u64), Ok(()), |request, _| {
        let (whole, start) = (served(), request.start());
        match start {
            0 => cut(&whole, 70_000, &[], None),
            _ => {
                let end = (start + 70_000).min(SIZE);
                let range = format!("bytes {start}-{}/{SIZE}", end - 1);
                answer("206 Partial Content", &[("Content-Range", &range)], &whole[start..end])
            }
        }
    })
    .await;
    assert!(server.seen().len() > 3);
    // 103, and 78 too long: it never gets further.
    let server = check("no progress", None, Err((codes::FETCH_CONNECT, "tried 3 times")), |_, _| {
        cut(&served(), 1000, &[], None)
    })
    .await;
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn servers_without_ranges_start_again() {
    // 80: 200 instead of 206.
    check("range ignored", Some(SIZE as u64), Ok(()), |_, number| match number {
        0 => cut(&served(), 100_000, &[], None),
        _ => answer("200 OK", &[], &served()),
    })
    .await;
    check("416 without reason", Some(SIZE as u64), Ok(()), |request, number| {
        match (request.start(), number) {
            (0, 0) => cut(&served(), 100_000, &[], None),
            (0, _) => answer("200 OK", &[], &served()),
            _ => answer("416 Range Not Satisfiable", &[("Content-Range", "bytes */5")], b""),
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_starts_again() {
    // 105: once by a server that knows If-Range, once by one that does not.
    let old = |_: &Seen| cut(&[7; SIZE], 100_000, &[("ETag", "\"old\"")], None);
    let server = check("If-Range", None, Ok(()), move |request, number| match number {
        0 => old(request),
        _ => answer("200 OK", &[("ETag", "\"new\"")], &served()),
    })
    .await;
    assert_eq!(server.seen()[1].header("if-range"), Some("\"old\""));
    check("If-Range ignored", None, Ok(()), move |request, number| match (number, request.start()) {
        (0, _) => old(request),
        (_, 0) => answer("200 OK", &[("ETag", "\"new\"")], &served()),
        (_, start) => rest(&served(), start, &[("ETag", "\"new\"")]),
    })
    .await;
}

#[tokio::test]
async fn lengths_that_do_not_fit_are_errors() {
    let size = Some(SIZE as u64);
    let length = |text| Err((codes::FETCH_LENGTH, text));
    // 78
    check("announces less", size, length("has 5 bytes"), |_, _| answer("200 OK", &[], b"short")).await;
    check("announces more", size, length("has 300001 bytes"), |_, _| {
        answer("200 OK", &[], &content(SIZE + 1))
    })
    .await;
    // 103
    check("chunked and early", size, length("tried 3 times"), |request, _| {
        let start = request.start().to_string();
        let range = format!("bytes {start}-{}/{SIZE}", SIZE - 1);
        let headers = [("Transfer-Encoding", "chunked"), ("Content-Range", &*range)];
        let status = if start == "0" { "200 OK" } else { "206 Partial Content" };
        vec![Step::Send([head(status, &headers), b"3\r\nabc\r\n0\r\n\r\n".to_vec()].concat())]
    })
    .await;
    let endless = |_: &Seen, _| vec![Step::Send(head("200 OK", &[])), Step::Endless];
    check("endless, size known", size, length("more than the allowed 300000"), endless).await;
    check("endless", None, length("more than the allowed 1048576"), endless).await;
    check("announces too much", None, length("more than the allowed 1048576"), |_, _| {
        vec![Step::Send(head("200 OK", &[("Content-Length", "99999999999")])), Step::Stall]
    })
    .await;
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors() {
    let senseless = |text| Err((codes::FETCH_ANSWER, text));
    for (case, range, text) in [
        ("other part", "bytes 5-9/10", "sends `bytes 5-9/10`"),
        ("backwards", "bytes 9-5/10", "asked for bytes"),
        ("escape", "bytes \u{9b}2J", "asked for bytes"),
    ] {
        check(case, Some(SIZE as u64), senseless(text), move |_, number| match number {
            0 => cut(&served(), 100_000, &[], None),
            _ => answer("206 Partial Content", &[("Content-Range", range)], b"abc"),
        })
        .await;
    }
    check("206 unasked", None, senseless("plain GET"), |_, _| rest(&served(), 10, &[])).await;
    // 81
    let page =
        |_: &Seen, _| answer("200 OK", &[("Content-Type", "text/html; charset=utf-8")], b"<html>Log in");
    check("login page", None, Err((codes::FETCH_WEB_PAGE, "is a web page")), page).await;
    check("404", None, Err((codes::FETCH_NOT_FOUND, "404")), |_, _| answer("404 Not Found", &[], b"")).await;
    let denied = |_: &Seen, _| answer("403 Forbidden", &[("Content-Type", "text/plain")], b"no\x1b[2J");
    check("403", None, Err((codes::FETCH_UNAUTHORIZED, "no\\u{1b}[2J")), denied).await;
}

#[tokio::test]
async fn slow_servers_are_given_up() {
    let stalled = |text| Err((codes::FETCH_STALLED, text));
    // 102: bytes come, but it would take for ever.
    check_with(&impatient(), "slowloris", None, stalled("sent only"), |_, _| {
        vec![
            Step::Send(head("200 OK", &[("Content-Length", "300000")])),
            Step::Trickle(Duration::from_millis(10)),
        ]
    })
    .await;
    check_with(&impatient(), "no answer", None, stalled("did not answer"), |_, _| vec![Step::Stall]).await;
    check_with(&impatient(), "half a head", None, stalled("did not answer"), |_, _| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), Step::Stall]
    })
    .await;
}

#[tokio::test]
async fn overloaded_servers_are_asked_again() {
    // 85
    for status in [
        "429 Too Many Requests",
        "503 Service Unavailable",
        "500 Internal Server Error",
        "408 Request Timeout",
    ] {
        let server = check(status, None, Ok(()), move |_, number| match number {
            0 => answer(status, &[("Retry-After", "0")], b"later"),
            1 => answer(status, &[], b"later"),
            _ => answer("200 OK", &[], &served()),
        })
        .await;
        assert_eq!(server.seen().len(), 3, "{status}");
        let always = move |_: &Seen, _| answer(status, &[], b"later");
        check(status, None, Err((codes::FETCH_STATUS, "tried 3 times")), always).await;
    }
    let tomorrow = |_: &Seen, _| answer("429 Too Many Requests", &[("Retry-After", "86400")], b"");
    check("too long", None, Err((codes::FETCH_WAIT, "come back in 86400 s")), tomorrow).await;
}

#[tokio::test]
async fn a_wait_that_a_server_asks_for_is_announced() {
    let listener = Listener::new();
    let client = Client::new(Settings { progress: listener.clone(), ..quick() });
    let server = Server::start(|_, number| match number {
        0 => answer("429 Too Many Requests", &[("Retry-After", "1")], b""),
        _ => answer("200 OK", &[], b"ok"),
    });
    let location = Location::url(&server.url("/a")).unwrap();
    let begun = std::time::Instant::now();
    download(&client, &location, None, MOST, &mut Memory::default(), &*listener).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert!(
        listener.warnings().contains("429 Too Many Requests; trying again in 1.0 s"),
        "{}",
        listener.warnings()
    );
}

#[tokio::test]
async fn redirects_are_followed_within_limits() {
    let refused = |text| Err((codes::FETCH_REDIRECT, text));
    let to = |target: &str| answer("302 Found", &[("Location", target)], b"");
    check("relative", None, Ok(()), move |request, _| match request.path.as_str() {
        "/b/c" => answer("200 OK", &[], &served()),
        _ => to("/b/c"),
    })
    .await;
    // 84
    check("loop", None, refused("in a circle"), move |request, _| {
        to(if request.path == "/x" { "/y" } else { "/x" })
    })
    .await;
    check("endless", None, refused("more than 10 times"), move |_, number| to(&format!("/{number}"))).await;
    check("file", None, refused("only http and https"), move |_, _| to("file:///etc/shadow")).await;
    check("link-local", None, refused("link-local"), move |_, _| to("http://169.254.169.254/latest")).await;
    check("nowhere", None, Err((codes::FETCH_ANSWER, "without saying where")), |_, _| {
        answer("302 Found", &[], b"")
    })
    .await;
}

#[tokio::test]
async fn what_the_sink_has_is_continued_or_left_alone() {
    let server = Server::start(|request, _| match request.start() {
        SIZE => answer("416 Range Not Satisfiable", &[("Content-Range", &format!("bytes */{SIZE}"))], b""),
        0 => answer("200 OK", &[], &served()),
        start => rest(&served(), start, &[]),
    });
    let location = Location::url(&server.url("/a")).unwrap();
    let size = Some(SIZE as u64);
    for (case, has, size, requests, restarts) in [
        ("a part", 1234, size, 1, 0),
        ("all", SIZE, size, 0, 0),
        ("too much", SIZE + 1, size, 1, 1),
        ("a part of something unknown", 1234, None, 1, 1),
    ] {
        let (mut sink, listener) = (Memory::with(&content(has)), Listener::new());
        let before = server.seen().len();
        download(&client(), &location, size, MOST, &mut sink, &*listener).await.expect(case);
        assert!(sink.bytes == served(), "{case}");
        assert_eq!((server.seen().len() - before, sink.restarts), (requests, restarts), "{case}");
        let new = SIZE.saturating_sub(has) as u64;
        assert_eq!(listener.advanced(), new, "{case}");
    }
}

#[tokio::test]
async fn a_full_disk_ends_the_download_with_its_cause() {
    let server = Server::start(|_, _| answer("200 OK", &[], &served()));
    let mut sink = Memory { room: Some(1000), ..Memory::default() };
    let location = Location::url(&server.url("/a")).unwrap();
    let error = download(&client(), &location, None, MOST, &mut sink, &*Listener::new()).await.unwrap_err();
    expect("full", &error, codes::NO_SPACE, 7, "no space left");
    assert_eq!(error.causes(), ["no space left on device"]);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn bytes_are_stored_as_they_lie_on_the_server() {
    // 104: the file is a .gz, and the server calls that an encoding.
    let server =
        check("gzip", None, Ok(()), |_, _| answer("200 OK", &[("Content-Encoding", "gzip")], &served()))
            .await;
    assert_eq!(server.seen()[0].header("accept-encoding"), Some("identity"));
    assert!(server.seen()[0].header("authorization").is_none());
}

#[tokio::test]
async fn servers_that_are_not_there_are_named() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let location = Location::url(&format!("http://{closed}/a")).unwrap();
    let error = download(&client(), &location, None, MOST, &mut Memory::default(), &*Listener::new())
        .await
        .unwrap_err();
    expect("closed", &error, codes::FETCH_CONNECT, 8, &format!("{closed} cannot be reached"));
    assert!(error.causes().iter().any(|cause| cause.contains("refused")), "{:?}", error.causes());
}
