//! k3s releases: the program per architecture, checked against the release's own checksum files, and the
//! list of images the release needs.

use crate::error::{Error, Result, codes};
use crate::fetch::{Client, Limits, Location};
use crate::lock::{Download, K3s};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;
use crate::source::gather::{Gatherer, Wanted};
use crate::spec;

/// Largest checksum file or image list, in bytes; real ones have a few hundred.
const LIST_LIMIT: u64 = 1 << 20;

/// Largest k3s program, in bytes. Upstream keeps it below 80 MiB.
const PROGRAM_LIMIT: u64 = 1 << 30;

/// Resolves what the spec asks for: channel to version, version to checksummed downloads.
/// `transport` says how the server is reached, for the record.
pub async fn resolve(
    gatherer: &Gatherer,
    wanted: &spec::K3s,
    platforms: &[Platform],
    transport: &str,
) -> Result<K3s> {
    let client = gatherer.client();
    let version = match &wanted.release {
        spec::K3sRelease::Version(version) => version.clone(),
        spec::K3sRelease::Channel(channel) => follow(client, &wanted.channel_url, channel).await?,
    };
    let base = release_url(&wanted.base_url, &version);
    let mut binaries = Vec::new();
    let mut sums = String::new();
    for platform in platforms {
        let name = format!("sha256sum-{}.txt", platform.architecture());
        let text = text(client, &format!("{base}/{name}")).await?;
        let digest = checksum(&text, asset(*platform), &name)?;
        let url = format!("{base}/{}", asset(*platform));
        let size = check_size(&url, client.size(&url).await?)?;
        let authenticated_by = format!("{name}, {transport}");
        binaries.push(Download { platform: Some(*platform), url, digest, size, authenticated_by });
        sums.push_str(&text);
    }
    let image_list =
        if wanted.images { Some(image_list(gatherer, &base, &sums, transport).await?) } else { None };
    Ok(K3s { request: request(wanted), version, binaries, image_list })
}

/// Whether a lock entry still answers what the spec asks for.
pub fn is_current(locked: &K3s, wanted: &spec::K3s, platforms: &[Platform]) -> bool {
    let locked_platforms: Vec<Option<Platform>> =
        locked.binaries.iter().map(|binary| binary.platform).collect();
    let base = release_url(&wanted.base_url, &locked.version);
    locked.request == request(wanted)
        && locked_platforms == platforms.iter().copied().map(Some).collect::<Vec<_>>()
        && locked.image_list.is_some() == wanted.images
        && locked.binaries.iter().all(|binary| binary.url.starts_with(&format!("{base}/")))
}

/// The images that the pinned release needs, in the order of its list.
pub async fn images(gatherer: &Gatherer, locked: &K3s) -> Result<Vec<Reference>> {
    let Some(list) = &locked.image_list else { return Ok(Vec::new()) };
    let wanted = Wanted {
        digest: list.digest,
        size: list.size,
        location: Location::url(&list.url)?,
        name: format!("k3s {} image list", locked.version),
    };
    gatherer.one(&wanted).await?;
    let bytes = gatherer.cache().read(&list.digest, LIST_LIMIT)?;
    let bytes = bytes.ok_or_else(|| broken(&list.url, "it is larger than 1 MiB"))?;
    parse_images(&String::from_utf8_lossy(&bytes), &list.url)
}

/// Refuses a size that no k3s program has, before anything of it is fetched.
fn check_size(url: &str, size: u64) -> Result<u64> {
    if size <= PROGRAM_LIMIT { Ok(size) } else { Err(broken(url, "it is larger than 1 GiB")) }
}

fn request(wanted: &spec::K3s) -> String {
    match &wanted.release {
        spec::K3sRelease::Version(version) => format!("version {version}"),
        spec::K3sRelease::Channel(channel) => format!("channel {channel}"),
    }
}

/// The channel server answers with a redirect whose last path segment is the tag.
async fn follow(client: &Client, channel_url: &str, channel: &str) -> Result<String> {
    let url = format!("{}/{channel}", channel_url.trim_end_matches('/'));
    let target = client.redirect_target(&url).await?;
    let segment = target.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    let version = segment.replace("%2B", "+").replace("%2b", "+");
    if spec::is_k3s_version(&version) {
        return Ok(version);
    }
    Err(broken(&url, &format!("it leads to {target}, which does not end in a release tag"))
        .with_help("name the release yourself: `k3s: {version: v1.36.3+k3s1}`"))
}

/// URL of a release's assets; the `+` of the tag is encoded, as upstream's own installer does.
fn release_url(base_url: &str, version: &str) -> String {
    format!("{}/{}", base_url.trim_end_matches('/'), version.replace('+', "%2B"))
}

/// Name of the program for a platform.
pub fn asset(platform: Platform) -> &'static str {
    match platform {
        Platform::LinuxAmd64 => "k3s",
        Platform::LinuxArm64 => "k3s-arm64",
    }
}

async fn text(client: &Client, url: &str) -> Result<String> {
    let document = client.document(url, Limits { max_size: LIST_LIMIT }).await?;
    String::from_utf8(document.bytes).map_err(|_| broken(url, "it is not text"))
}

async fn image_list(gatherer: &Gatherer, base: &str, sums: &str, transport: &str) -> Result<Download> {
    let url = format!("{base}/k3s-images.txt");
    let text = text(gatherer.client(), &url).await?;
    parse_images(&text, &url)?;
    let digest = gatherer.cache().put(text.as_bytes())?;
    // Upstream's checksum files do not cover the list today; should they one day, it must agree.
    let covered = lines(sums).any(|(_, name)| name == "k3s-images.txt");
    if covered && !lines(sums).any(|(hex, name)| name == "k3s-images.txt" && hex == digest.hex()) {
        return Err(broken(&url, "it contradicts the release's checksum file"));
    }
    let proof = if covered { format!("checksum file, {transport}") } else { transport.to_owned() };
    Ok(Download { platform: None, url, digest, size: text.len() as u64, authenticated_by: proof })
}

/// The lines of a `sha256sum` file as digest and name.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (hex, name) = line.split_once(char::is_whitespace)?;
        Some((hex, name.trim().trim_start_matches('*')))
    })
}

/// The digest of `asset` in a `sha256sum` file; exactly one line must name it.
fn checksum(text: &str, asset: &str, list: &str) -> Result<Digest> {
    let mut found = lines(text).filter(|(_, name)| *name == asset).map(|(hex, _)| hex);
    match (found.next(), found.next()) {
        (Some(hex), None) => Digest::from_hex(hex).map_err(|error| {
            broken(list, &format!("its line for `{asset}` has no SHA-256 digest")).with_source(error)
        }),
        (None, _) => Err(broken(list, &format!("it has no line for `{asset}`"))),
        (Some(_), Some(_)) => Err(broken(list, &format!("it has several lines for `{asset}`"))),
    }
}

fn parse_images(text: &str, url: &str) -> Result<Vec<Reference>> {
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let images: Vec<Reference> = names
        .map(|name| {
            name.parse::<Reference>()
                .map_err(|error| broken(url, "it lists something that is no image").with_source(error))
        })
        .collect::<Result<_>>()?;
    if images.is_empty() { Err(broken(url, "it lists no image")) } else { Ok(images) }
}

fn broken(what: &str, why: &str) -> Error {
    Error::new(codes::K3S_RELEASE, format!("the k3s release is not usable: {what}: {why}"))
        .with_help("check `k3s:` in bundle.yaml (version, baseUrl); a release that is just being published may be incomplete")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_line_of_the_program_is_found_and_nothing_like_it() {
        let text = format!("{HEX}  k3s-airgap-images-amd64.tar\n{HEX} *k3s\n");
        assert_eq!(checksum(&text, "k3s", "sums").unwrap(), Digest::of(b""));
        for text in [
            String::new(),
            format!("{HEX}  k3s-arm64\n"),
            format!("{HEX}  k3s\n{HEX}  k3s\n"),
            "beef  k3s\n".into(),
        ] {
            let error = checksum(&text, "k3s", "sums").unwrap_err();
            assert_eq!(error.code(), codes::K3S_RELEASE, "{text}");
            assert!(error.message().contains("sums"), "{error}");
        }
    }

    #[test]
    fn image_lists_are_read_strictly() {
        let images = parse_images("# comment\ndocker.io/rancher/mirrored-pause:3.6\n\n", "u").unwrap();
        assert_eq!(images[0].to_string(), "docker.io/rancher/mirrored-pause:3.6");
        assert!(parse_images("<html>", "u").is_err());
        assert!(parse_images("\n", "u").is_err());
    }

    #[test]
    fn a_program_of_absurd_size_is_refused() {
        assert_eq!(check_size("u", 75 << 20).unwrap(), 75 << 20);
        assert_eq!(check_size("u", PROGRAM_LIMIT + 1).unwrap_err().code(), codes::K3S_RELEASE);
    }

    #[test]
    fn the_plus_of_a_tag_is_encoded() {
        assert_eq!(release_url("https://h/d/", "v1.36.3+k3s1"), "https://h/d/v1.36.3%2Bk3s1");
    }
}
