//! Bad files: the code, the exit status, the place and the heart of the message, then all fields as a snapshot
//! so that a change of wording, ours or the YAML library's, is seen in a review.

use crate::{HEAD, parse, rendered, with_head};

/// A file that must be refused.
pub struct Case {
    name: &'static str,
    pub text: String,
    code: &'static str,
    place: (usize, usize),
    message: &'static str,
}

/// A case whose text is whole.
fn whole(
    name: &'static str,
    text: &str,
    code: &'static str,
    place: (usize, usize),
    message: &'static str,
) -> Case {
    Case { name, text: text.to_owned(), code, place, message }
}

/// A case whose text follows the usual head; it begins on line 6.
fn body(
    name: &'static str,
    text: &str,
    code: &'static str,
    place: (usize, usize),
    message: &'static str,
) -> Case {
    Case { name, text: with_head(text), code, place, message }
}

/// A case that differs from the usual head in one place.
fn head(
    name: &'static str,
    (old, new): (&str, &str),
    code: &'static str,
    place: (usize, usize),
    message: &'static str,
) -> Case {
    assert!(HEAD.contains(old), "{old}");
    Case { name, text: HEAD.replace(old, new) + "images: [busybox:1]\n", code, place, message }
}

/// A case whose text follows the usual head, with `▶` before the place of the problem.
pub fn marked(name: &'static str, text: &str, code: &'static str, message: &'static str) -> Case {
    let text = with_head(text);
    let before = text.split_once('▶').expect(name).0;
    let line = before.lines().count();
    let place = (line, before.lines().last().map_or(0, |line| line.chars().count()) + 1);
    Case { name, text: text.replace('▶', ""), code, place, message }
}

pub fn check(cases: &[Case]) -> String {
    let mut all = String::new();
    for Case { name, text, code, place, message } in cases {
        let error = parse(text).expect_err(name);
        let shown = rendered(&error);
        let location = error.location().expect(name);
        assert_eq!(error.code().to_string(), *code, "{name}: {shown}");
        assert_eq!(error.kind().exit_status(), 3, "{name}");
        assert_eq!((location.line, location.column), *place, "{name}: {shown}");
        assert!(error.message().contains(message), "{name}: {shown}");
        assert_eq!(location.file, "bundle.yaml");
        all += &format!("=== {name}\n{shown}\n");
    }
    all
}

#[test]
fn files_that_are_not_yaml() {
    let report = check(&[
        whole("empty", "", "E0106", (1, 1), "the file is empty"),
        whole("comments only", "# nothing yet\n---\n", "E0106", (1, 1), "the file is empty"),
        body("tab", "k3s:\n\tversion: v1.36.3+k3s1\n", "E0101", (7, 2), "tabs"),
        body(
            "bad indentation",
            "k3s:\n  version: v1.36.3+k3s1\n images: true\n",
            "E0101",
            (8, 2),
            "block mapping",
        ),
        body("unclosed quote", "images:\n  - \"a:1\n  - b:1\n", "E0101", (8, 3), "quoted scalar"),
        body("unclosed bracket", "images: [a:1, b:2\n", "E0101", (6, 9), "unclosed bracket"),
        body("two colons", "channel: a: b\n", "E0101", (6, 11), "mapping values"),
        body("special character", "images:\n  - @a:1\n", "E0101", (7, 5), "unexpected character"),
        body("glob without quotes", "files:\n  - path: *.crt\n    to: /a/\n", "E0101", (7, 11), "anchor"),
        body("several documents", "images: [a:1]\n---\nname: x\n", "E0101", (7, 1), "more than one"),
        body("merge key", "k3s:\n  <<: {version: v1}\n", "E0101", (7, 3), "merge key"),
        body("recursive alias", "charts: &a [*a]\n", "E0101", (6, 13), "repeats"),
        body("NUL", "images: [\"a\u{0}:1\"]\n", "E0101", (6, 12), "control character U+0000"),
        body("escape sequence", "images: [a:1] # \u{1b}[2J\n", "E0101", (6, 17), "control character U+001B"),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn keys() {
    let report = check(&[
        body("duplicate at the top", "images: [a:1]\nname: b\n", "E0103", (7, 1), "first on line 3"),
        body("duplicate inside", "k3s:\n  version: v1\n  version: v2\n", "E0103", (8, 3), "first on line 7"),
        body("duplicate in braces", "k3s: {version: v1, version: v2}\n", "E0103", (6, 20), "first on line 6"),
        body("unknown at the top", "imges: [a:1]\n", "E0102", (6, 1), "`imges`"),
        body("unknown in k3s", "k3s:\n  versoin: v1\n", "E0102", (7, 3), "`versoin`"),
        body(
            "unknown in an image",
            "images:\n  - image: a:1\n    referers: true\n",
            "E0102",
            (8, 5),
            "`referers`",
        ),
        body("unknown in a file", "files:\n  - path: a\n    dest: /a\n", "E0102", (8, 5), "`dest`"),
        body(
            "unknown in a host",
            "registries:\n  docker.io:\n    plainHTTP: true\n",
            "E0102",
            (8, 5),
            "`plainHTTP`",
        ),
        body("list as a key", "? [a]\n: b\n", "E0104", (6, 3), "must be a text"),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn types() {
    let report = check(&[
        whole("text for the file", "hello\n", "E0104", (1, 1), "must be a map"),
        whole("list for the file", "- a\n", "E0104", (1, 1), "must be a map, but it is a list"),
        body("text for a list", "images: foo\n", "E0104", (6, 9), "`images` must be a list"),
        body(
            "map for a list",
            "images:\n  a: b\n",
            "E0104",
            (7, 3),
            "`images` must be a list, but it is a map",
        ),
        body("text for a map", "k3s: stable\n", "E0104", (6, 6), "`k3s` must be a map"),
        body(
            "list for a map",
            "k3s:\n- channel: stable\n",
            "E0104",
            (7, 3),
            "`k3s` must be a map, but it is a list",
        ),
        body("list for a text", "channel: [stable]\n", "E0104", (6, 10), "`channel` must be a text"),
        body("map for a text", "hosts:\n- debian: 12\n", "E0104", (7, 3), "`hosts[0]` must be a text"),
        body(
            "yes for a boolean",
            "k3s:\n  channel: stable\n  images: yes\n",
            "E0104",
            (8, 11),
            "`k3s.images`",
        ),
        body(
            "text for a boolean",
            "k3s:\n  channel: stable\n  images: all\n",
            "E0104",
            (8, 11),
            "`true` or `false`",
        ),
        body(
            "nothing for a boolean",
            "k3s:\n  channel: stable\n  images:\n",
            "E0104",
            (8, 9),
            "but it is empty",
        ),
        body(
            "number for an image",
            "images:\n- 1.5\n",
            "E0104",
            (7, 3),
            "`images[0]` must be an image reference",
        ),
        body("list for an image", "images:\n  - [a:1]\n", "E0104", (7, 5), "`images[0]`"),
        body("nothing for an image", "images:\n  -\n", "E0104", (7, 4), "`images[0]`"),
        body("number for a file", "files:\n  - 3\n", "E0104", (7, 5), "`files[0]` must be a map"),
        body("YAML tag", "channel: !!int 3\n", "E0104", (6, 16), "tags"),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn texts_that_other_parsers_read_differently() {
    let report = check(&[
        head("float", ("\"1\"", "1.30"), "E0104", (4, 10), "`1.30` without quotes is a number"),
        head("exponent", ("\"1\"", "1e3"), "E0104", (4, 10), "number"),
        head("hexadecimal", ("\"1\"", "0x10"), "E0104", (4, 10), "number"),
        head("octal", ("\"1\"", "0o777"), "E0104", (4, 10), "number"),
        head("no", ("name: lab", "name: no"), "E0104", (3, 7), "truth value"),
        head("on", ("name: lab", "name: on"), "E0104", (3, 7), "truth value"),
        head("null", ("name: lab", "name: null"), "E0104", (3, 7), "nothing"),
        head("nothing", ("name: lab", "name:"), "E0104", (3, 5), "no value"),
        body("mode", "files:\n- path: x\n  to: /x\n  mode: 0755\n", "E0104", (9, 9), "number"),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn head_of_the_file() {
    let report = check(&[
        head("no apiVersion", ("apiVersion: airlock/v1\n", ""), "E0106", (1, 1), "`apiVersion` is missing"),
        head("other apiVersion", ("airlock/v1", "airlock/v2"), "E0105", (1, 13), "`airlock/v2`"),
        head("other kind", ("kind: Bundle", "kind: ConfigMap"), "E0105", (2, 7), "`ConfigMap`"),
        head("no name", ("name: lab\n", ""), "E0106", (1, 1), "`name` is missing"),
        head("no platforms", ("platforms: [linux/amd64]\n", ""), "E0106", (1, 1), "`platforms` is missing"),
        head("slash in name", ("name: lab", "name: a/b"), "E0105", (3, 7), "name `a/b`"),
        head("dots in name", ("name: lab", "name: a..b"), "E0105", (3, 7), "`..`"),
        head("leading dot", ("name: lab", "name: .lab"), "E0105", (3, 7), "begin and end"),
        head("NUL in name", ("name: lab", "name: \"l\\0b\""), "E0105", (3, 7), "U+0000"),
        head("capitals", ("name: lab", "name: GPU Lab"), "E0105", (3, 7), "only a-z"),
        head("path in version", ("\"1\"", "\"../1\""), "E0105", (4, 10), "version"),
        head("no platform", ("[linux/amd64]", "[]"), "E0106", (5, 12), "empty"),
        head("foreign platform", ("linux/amd64", "linux/riscv64"), "E0112", (5, 13), "riscv64"),
        head("platform twice", ("linux/amd64", "linux/amd64, linux/amd64"), "E0105", (5, 26), "twice"),
        body("unsupported distribution", "hosts: [debian-12, centos-7]\n", "E0105", (6, 20), "`centos-7`"),
        body("misspelt distribution", "hosts: [ubuntu-2404]\n", "E0105", (6, 9), "`ubuntu-2404`"),
        body("nothing in it", "hosts: [debian-12]\nimages:\n", "E0106", (7, 8), "nothing in it"),
        body("charts", "charts:\n", "E0108", (6, 7), "`charts`"),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn k3s() {
    let report = check(&[
        body("neither", "k3s:\n  images: true\n", "E0106", (7, 3), "neither"),
        body("both", "k3s:\n  version: v1.36.3+k3s1\n  channel: stable\n", "E0105", (8, 12), "(line 7)"),
        body("tag of Docker Hub", "k3s:\n  version: v1.36.3-k3s1\n", "E0105", (7, 12), "release tag"),
        body("no build number", "k3s:\n  version: 1.36.3\n", "E0105", (7, 12), "release tag"),
        body("channel as version", "k3s:\n  version: stable\n", "E0105", (7, 12), "release tag"),
        body("version as channel", "k3s:\n  channel: v1.36.3+k3s1\n", "E0105", (7, 12), "channel of k3s"),
        body("ftp", "k3s:\n  channel: stable\n  baseUrl: ftp://a.lab/k3s\n", "E0105", (8, 12), "http"),
        body(
            "query",
            "k3s:\n  channel: stable\n  channelUrl: https://a.lab/?c=\n",
            "E0105",
            (8, 15),
            "query",
        ),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn images() {
    let report = check(&[
        body("no tag", "images:\n  - quay.io/a/b\n", "E0110", (7, 5), "neither tag nor digest"),
        body(
            "short digest",
            "images:\n  - quay.io/a/b@sha256:abc\n",
            "E0111",
            (7, 5),
            "not a SHA-256 digest",
        ),
        body("capitals", "images:\n  - quay.io/A/b:1\n", "E0110", (7, 5), "lower case"),
        body("dots", "images:\n  - quay.io/../b:1\n", "E0110", (7, 5), "not an image reference"),
        body("space", "images:\n  - quay.io/a b:1\n", "E0110", (7, 5), "white space"),
        body(
            "twice",
            "images:\n  - busybox:1\n  - image: docker.io/library/busybox:1\n",
            "E0105",
            (8, 12),
            "first on line 7",
        ),
        body("no image", "images:\n  - referrers: true\n", "E0106", (7, 5), "which image"),
        body(
            "foreign platform",
            "images:\n  - image: a:1\n    platforms: [linux/arm64]\n",
            "E0105",
            (8, 16),
            "linux/arm64",
        ),
        body("password", "images:\n  - me:hunter2@quay.io/a:1\n", "E0110", (7, 5), "password"),
        body(
            "registry in from",
            "images:\n  - image: a:1\n    from: docker://b:1\n",
            "E0105",
            (8, 11),
            "`from`",
        ),
        body(
            "from without path",
            "images:\n  - image: a:1\n    from: \"oci:\"\n",
            "E0105",
            (8, 11),
            "no path",
        ),
        body(
            "from without name",
            "images:\n  - image: a:1\n    from: \"oci:d:\"\n",
            "E0105",
            (8, 11),
            "is empty",
        ),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn files() {
    let report = check(&[
        body("no source", "files:\n  - to: /a\n", "E0106", (7, 5), "neither `url` nor `path`"),
        body(
            "two sources",
            "files:\n  - to: /a\n    path: a\n    url: https://a.lab/\n",
            "E0105",
            (9, 10),
            "both",
        ),
        body("no destination", "files:\n  - path: a\n", "E0106", (7, 5), "where to put it"),
        body("relative", "files:\n  - path: a\n    to: opt/a\n", "E0105", (8, 9), "not absolute"),
        body("dots", "files:\n  - path: a\n    to: /opt/../etc/shadow\n", "E0105", (8, 9), "`..`"),
        body("not normalised", "files:\n  - path: a\n    to: /opt//./a\n", "E0105", (8, 9), "`//`"),
        body("directory", "files:\n  - path: a\n    to: /opt/\n", "E0105", (8, 9), "is a directory"),
        body(
            "glob into a file",
            "files:\n  - path: \"*.crt\"\n    to: /opt/a\n",
            "E0105",
            (8, 9),
            "a glob needs",
        ),
        body(
            "broken glob",
            "files:\n  - path: \"[a\"\n    to: /opt/\n",
            "E0105",
            (7, 11),
            "not a valid glob",
        ),
        body("newline", "files:\n  - path: a\n    to: \"/a\\nb\"\n", "E0105", (8, 9), "U+000A"),
        body("URL as path", "files:\n  - path: https://a.lab/x\n    to: /x\n", "E0105", (7, 11), "is a URL"),
        body(
            "password in URL",
            "files:\n  - url: https://me:hunter2@a.lab/x\n    to: /x\n",
            "E0105",
            (7, 10),
            "password",
        ),
        body("no scheme", "files:\n  - url: a.lab/x\n    to: /x\n", "E0105", (7, 10), "no scheme"),
        body(
            "same destination",
            "files:\n  - {path: a, to: /x}\n  - {path: b, to: /x}\n",
            "E0105",
            (8, 19),
            "first on line 7",
        ),
        body("setuid", "files:\n  - {path: a, to: /x, mode: \"4755\"}\n", "E0105", (7, 29), "setuid"),
        body("symbolic mode", "files:\n  - {path: a, to: /x, mode: u+x}\n", "E0105", (7, 29), "not octal"),
        body(
            "short digest",
            "files:\n  - {path: a, to: /x, sha256: abc}\n",
            "E0111",
            (7, 31),
            "not a SHA-256 digest",
        ),
        body(
            "digest of a glob",
            "files:\n  - {path: \"a*\", to: /x/, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}\n",
            "E0105",
            (7, 35),
            "glob",
        ),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn registries() {
    let report = check(&[
        body(
            "URL as host",
            "images: [a:1]\nregistries:\n  https://docker.io/v2: {}\n",
            "E0105",
            (8, 3),
            "not a host name",
        ),
        body(
            "password in mirror",
            "images: [a:1]\nregistries:\n  docker.io: {mirrors: [\"me:hunter2@m.lab\"]}\n",
            "E0105",
            (8, 25),
            "not a host name",
        ),
        body(
            "foreign scheme",
            "images: [a:1]\nregistries:\n  docker.io: {mirrors: [\"ftp://m.lab\"]}\n",
            "E0105",
            (8, 25),
            "http",
        ),
        body(
            "empty certificate",
            "images: [a:1]\nregistries:\n  docker.io: {ca: \"\"}\n",
            "E0105",
            (8, 19),
            "empty",
        ),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn the_first_problem_of_the_file_is_reported() {
    let two = with_head("files:\n  - {path: a, to: x}\nk3s:\n  version: latest\n");
    assert_eq!(parse(&two).expect_err("two problems").location().map(|place| place.line), Some(7));
    let early = "images: [B:1]\n".to_owned() + &HEAD.replace("linux/amd64", "linux/riscv64");
    assert_eq!(parse(&early).expect_err("two problems").location().map(|place| place.line), Some(1));
}
