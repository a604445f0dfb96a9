//! Platforms: operating system, architecture and variant of an image or binary (OCI image-spec, "Image Index").

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// A platform that airlock can build for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// `linux/amd64`, 64-bit x86.
    LinuxAmd64,
    /// `linux/arm64`, 64-bit Arm (variant v8 or none).
    LinuxArm64,
}

impl Platform {
    /// Every platform, in the order they are listed in messages.
    pub const ALL: &'static [Platform] = &[Platform::LinuxAmd64, Platform::LinuxArm64];

    /// The platform this program was compiled for, if it is one of ours.
    pub fn current() -> Option<Platform> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Platform::LinuxAmd64),
            "aarch64" => Some(Platform::LinuxArm64),
            _ => None,
        }
    }

    /// `linux`, the operating system as OCI and Go name it.
    pub fn os(self) -> &'static str {
        "linux"
    }

    /// The architecture as OCI, Go and Debian name it: `amd64` or `arm64`.
    pub fn architecture(self) -> &'static str {
        match self {
            Platform::LinuxAmd64 => "amd64",
            Platform::LinuxArm64 => "arm64",
        }
    }

    /// Whether an index entry with these fields is meant for this platform.
    ///
    /// The variant is compared leniently for arm64, where `v8` and none mean the same machine.
    pub fn matches(self, os: &str, architecture: &str, variant: Option<&str>) -> bool {
        let variant_fits = match self {
            Platform::LinuxAmd64 => matches!(variant, None | Some("" | "v1")),
            Platform::LinuxArm64 => matches!(variant, None | Some("" | "v8")),
        };
        os == self.os() && architecture == self.architecture() && variant_fits
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "linux/amd64" => Ok(Platform::LinuxAmd64),
            "linux/arm64" | "linux/arm64/v8" => Ok(Platform::LinuxArm64),
            _ => Err(Error::new(codes::PLATFORM, format!("platform `{}` is not supported", quote(text)))
                .with_help("supported are `linux/amd64` and `linux/arm64`")),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os(), self.architecture())
    }
}

impl JsonSchema for Platform {
    fn schema_name() -> Cow<'static, str> {
        "Platform".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<String> = Platform::ALL.iter().map(Platform::to_string).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_round_trip_through_text() {
        for platform in Platform::ALL {
            assert_eq!(platform.to_string().parse::<Platform>().unwrap(), *platform);
        }
        assert_eq!("linux/arm64/v8".parse::<Platform>().unwrap(), Platform::LinuxArm64);
        assert!("linux/riscv64".parse::<Platform>().is_err());
    }

    #[test]
    fn variants_that_other_processors_lack_do_not_match() {
        assert!(Platform::LinuxArm64.matches("linux", "arm64", Some("v8")));
        assert!(Platform::LinuxArm64.matches("linux", "arm64", None));
        assert!(!Platform::LinuxAmd64.matches("linux", "amd64", Some("v3")));
        assert!(!Platform::LinuxAmd64.matches("windows", "amd64", None));
    }
}
