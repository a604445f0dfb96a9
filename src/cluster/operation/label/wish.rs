//! What is wished of a node: labels and taints to have, and to have no more.

use std::collections::BTreeMap;

use crate::cluster::inventory::Host;
use crate::error::{Error, Result, codes};
use crate::node::settings::grammar::identity;
use crate::node::settings::{Settings, Taint, check_key, check_value};
use crate::quote::quote;

/// Labels that Kubernetes, k3s and airlock keep themselves.
const KEPT: [&str; 8] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/etcd",
    "kubernetes.io/",
    "beta.kubernetes.io/",
    "node.kubernetes.io/",
    "k3s.io/",
    "etcd.k3s.cattle.io/",
    "nvidia.com/gpu.",
];

/// What is wished of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Values of labels; none where there is to be no such label.
    pub labels: BTreeMap<String, Option<String>>,
    /// Taints.
    pub taints: Vec<WishedTaint>,
}

/// A taint that a node is to have, or to have no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WishedTaint {
    /// It is to have it.
    Present(Taint),
    /// It is to have none of this `KEY:EFFECT`.
    Absent(String),
}

impl Wish {
    /// What the inventory wishes of a host that had these settings.
    pub fn of_host(host: &Host, before: Option<&Settings>) -> Wish {
        let wanted = host.labels.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
        let mut wish = Wish { labels: wanted.collect(), taints: Vec::new() };
        let (labels, taints) = before.map(|before| (&before.labels, &before.taints)).unzip();
        for key in labels.into_iter().flatten().map(|(key, _)| key).filter(|key| !is_kept(key)) {
            wish.labels.entry(key.clone()).or_insert(None);
        }
        let gone = taints.into_iter().flatten().map(|taint| taint.identity());
        let stays = |taint: &String| host.taints.iter().any(|wanted| wanted.identity() == *taint);
        wish.taints.extend(gone.filter(|taint| !stays(taint)).map(WishedTaint::Absent));
        wish.taints.extend(host.taints.iter().cloned().map(WishedTaint::Present));
        wish
    }
}

impl WishedTaint {
    /// The word of `kubectl taint` that brings it about, if it is not so.
    pub(super) fn change(&self, taints: &[String]) -> Option<String> {
        match self {
            WishedTaint::Present(wanted) => {
                let is_there = taints.iter().any(|taint| plain(taint) == plain(wanted.as_str()));
                (!is_there).then(|| wanted.as_str().to_owned())
            }
            WishedTaint::Absent(gone) => {
                taints.iter().any(|taint| identity(taint) == *gone).then(|| format!("{gone}-"))
            }
        }
    }

    pub(super) fn apply(&self, taints: &mut Vec<Taint>) {
        let same = match self {
            WishedTaint::Present(wanted) if taints.contains(wanted) => return,
            WishedTaint::Present(wanted) => wanted.identity(),
            WishedTaint::Absent(gone) => gone.clone(),
        };
        taints.retain(|taint| taint.identity() != same);
        if let WishedTaint::Present(wanted) = self {
            taints.push(wanted.clone());
        }
    }
}

/// An empty value may be written or not.
fn plain(taint: &str) -> String {
    taint.replace("=:", ":")
}

fn is_kept(key: &str) -> bool {
    KEPT.iter().any(|kept| if kept.ends_with(['/', '.']) { key.starts_with(kept) } else { key == *kept })
}

/// Reads words of the command line: `KEY=VALUE`, `KEY-`, `KEY=VALUE:EFFECT`, `KEY:EFFECT`, `KEY:EFFECT-`.
///
/// # Errors
/// [`codes::LABEL_REFUSED`] with the word and why it is none, or who keeps that label.
pub fn parse(words: &[String]) -> Result<Wish> {
    let mut wish = Wish::default();
    for word in words {
        let (text, is_wanted) = word.strip_suffix('-').map_or((word.as_str(), true), |text| (text, false));
        let key = text.split(['=', ':']).next().unwrap_or_default();
        check_key(key).map_err(|why| refused(word, why))?;
        if is_kept(key) {
            return Err(kept(word, key));
        }
        match (text.contains(':'), is_wanted) {
            (true, true) => {
                let taint = text.parse().map_err(|why: String| refused(word, &why))?;
                wish.taints.push(WishedTaint::Present(taint));
            }
            (true, false) => {
                let taint: Taint = text.parse().map_err(|why: String| refused(word, &why))?;
                wish.taints.push(WishedTaint::Absent(taint.identity()));
            }
            (false, true) => {
                let (_, value) = text.split_once('=').ok_or_else(|| refused(word, "a label is KEY=VALUE"))?;
                check_value(value).map_err(|why| refused(word, why))?;
                wish.labels.insert(key.to_owned(), Some(value.to_owned()));
            }
            (false, false) if text == key => drop(wish.labels.insert(key.to_owned(), None)),
            (false, false) => return Err(refused(word, "a label is taken away by `KEY-`")),
        }
    }
    Ok(wish)
}

fn refused(word: &str, why: &str) -> Error {
    Error::new(codes::LABEL_REFUSED, format!("`{}`: {why}", quote(word))).with_help(
        "KEY=VALUE sets a label, KEY- takes it away; KEY=VALUE:EFFECT and KEY:EFFECT- do that to a taint",
    )
}

fn kept(word: &str, key: &str) -> Error {
    let help = match key.starts_with("nvidia.com/") {
        true => "it follows from the GPUs of the host; `gpu: no` in the inventory takes it away",
        false => "Kubernetes sets it; take a key of your own, such as `lab.example/KEY`",
    };
    Error::new(codes::LABEL_REFUSED, format!("`{}`: this label is not set by hand", quote(word)))
        .with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_labels_and_taints() {
        let words = ["rack=a", "old-", "empty=", "gpu=yes:NoSchedule", "x:NoExecute-", "y=1:NoSchedule-"];
        let wish = parse(&words.map(str::to_owned)).unwrap();
        let label = |key: &str| wish.labels[key].as_deref();
        assert_eq!((label("rack"), label("old"), label("empty")), (Some("a"), None, Some("")));
        assert_eq!(wish.taints[0], WishedTaint::Present("gpu=yes:NoSchedule".parse().unwrap()));
        assert_eq!(wish.taints[1], WishedTaint::Absent("x:NoExecute".to_owned()));
        assert_eq!(wish.taints[2], WishedTaint::Absent("y:NoSchedule".to_owned()));
    }

    #[test]
    fn what_is_none_or_not_ours_is_refused() {
        for (word, part) in [
            ("rack", "KEY=VALUE"),
            ("", "empty"),
            ("--all", "letter or digit"),
            ("a=b c", "letters"),
            ("a=b;reboot", "letters"),
            ("a=$(x)", "letters"),
            ("a=b-", "KEY-"),
            ("gpu:Sometimes", "effect"),
            ("kubernetes.io/os=plan9", "not set by hand"),
            ("node-role.kubernetes.io/etcd-", "not set by hand"),
            ("nvidia.com/gpu.present=true", "not set by hand"),
        ] {
            let error = parse(&[word.to_owned()]).unwrap_err();
            assert_eq!(error.code(), codes::LABEL_REFUSED);
            assert!(error.message().contains(part), "{word}: {}", error.message());
        }
        parse(&["node-role.kubernetes.io/worker=true".to_owned()]).unwrap();
    }

    #[test]
    fn a_taint_is_known_by_key_and_effect() {
        let present = WishedTaint::Present("gpu=b:NoSchedule".parse().unwrap());
        assert_eq!(present.change(&["gpu=a:NoSchedule".to_owned()]).unwrap(), "gpu=b:NoSchedule");
        assert_eq!(present.change(&["gpu=b:NoSchedule".to_owned()]), None);
        let mut taints: Vec<Taint> =
            vec!["gpu=a:NoSchedule".parse().unwrap(), "z:NoExecute".parse().unwrap()];
        present.apply(&mut taints);
        assert_eq!(taints.iter().map(Taint::as_str).collect::<Vec<_>>(), ["z:NoExecute", "gpu=b:NoSchedule"]);
        WishedTaint::Absent("gpu:NoSchedule".to_owned()).apply(&mut taints);
        assert_eq!(taints.len(), 1);
    }
}
