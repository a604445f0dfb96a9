//! The names of all steps, in one place: a step takes its name from here, and tests go through the lists.
//!
//! A name never changes and is never given to another step: journals of nodes hold it. `tests/install` kills commands
//! and fills disks in every step of every list, so that a new one without a case there fails.

macro_rules! names {
    ($(#[doc = $list_summary:literal] $list:ident { $($name:ident = $text:literal, $summary:literal;)* })*) => {
        $(
            $(
                #[doc = $summary]
                pub const $name: &str = $text;
            )*
            #[doc = $list_summary]
            pub const $list: &[&str] = &[$($name),*];
        )*
    };
}

names! {
    #[doc = "Steps of an installation, in their order."]
    INSTALL {
        CLOCK = "clock", "The clock of the machine is set.";
        SETTINGS = "settings", "What the operator wants is kept.";
        SIGNERS = "signers", "The list of signers is pinned.";
        REVOKED_KEYS = "revoked-keys", "The list of keys that do not count any more is kept.";
        AIRLOCK_PROGRAM = "airlock-program", "The program of every later command is put in place.";
        PREFLIGHT_POLICY = "preflight-policy", "The policy of the site is kept.";
        KERNEL_MODULES = "kernel-modules", "Modules of the kernel are loaded.";
        KERNEL_PARAMETERS = "kernel-parameters", "Parameters of the kernel are set.";
        DEFAULT_ROUTE = "default-route", "There is a default route.";
        STORE = "store", "The bundle is copied into the store.";
        REGISTRY = "registry", "The registry of the node serves.";
        REGISTRY_CA = "registry-ca", "The node trusts its registry.";
        PACKAGES = "packages", "Packages for every node of the release are installed.";
        FILES = "files", "The files of the bundle are in place.";
        NETWORK_MOUNTS = "network-mounts", "Network file systems are mounted.";
        NVIDIA_PACKAGES = "nvidia-packages", "The packages of the driver are installed.";
        NOUVEAU = "nouveau", "The driver of the kernel itself is out of the way.";
        NVIDIA_INSTALLER = "nvidia-installer", "The installer of NVIDIA's own has run.";
        NVIDIA_MODULE = "nvidia-module", "The modules of the driver are loaded.";
        NVIDIA_SERVICES = "nvidia-services", "The services of the driver run.";
        NVIDIA_TOOLKIT = "nvidia-toolkit", "The container toolkit is installed.";
        NVIDIA_CDI = "nvidia-cdi", "Container runtimes find a description of the GPUs.";
        NVIDIA_HOLD = "nvidia-hold", "The packages of the driver stay at their version.";
        NVIDIA_MANIFESTS = "nvidia-manifests", "The cluster is told about GPUs.";
        IMAGES = "images", "Every image that the node needs can be pulled.";
        HAPROXY = "haproxy", "Connections are passed on to the servers.";
        KEEPALIVED = "keepalived", "The virtual address moves among its nodes.";
        K3S_PROGRAM = "k3s-program", "The k3s program is put in place.";
        K3S_CONFIGURATION = "k3s-configuration", "The configuration of k3s is written.";
        K3S_SERVICE = "k3s-service", "k3s runs.";
        K3S_READY = "k3s-ready", "The node is ready.";
        K3S_SMOKE_TEST = "k3s-smoke-test", "A pod has run.";
        SERIAL_FLOOR = "serial-floor", "Older bundles are refused from now on.";
        RESUME_UNIT = "resume-unit", "Nothing continues after a restart any more.";
    }
    #[doc = "Steps of an installation that pulls from the registry of the site, in place of `store` and `registry`."]
    SITE {
        REGISTRY_LOGIN = "registry-login", "The login for the registry of the site is kept.";
        REGISTRY_PUSH = "registry-push", "The registry of the site has the images.";
    }
    #[doc = "Steps of an installation whose virtual address a pod holds, in place of `haproxy` and `keepalived`."]
    IN_CLUSTER {
        KUBE_VIP = "kube-vip", "The cluster is told of its virtual address.";
    }
    #[doc = "Steps of a repair besides those of an installation."]
    REPAIR {
        STORE_BLOBS = "store-blobs", "Damaged and missing blobs are good again.";
        STORE_RECORD = "store-record", "The store knows the bundle and its names.";
        PACKAGES_REINSTALL = "packages-reinstall", "Packages have the files that they came with.";
    }
    #[doc = "Steps by which a node comes back, or leaves: its k3s and its data."]
    RECOVERY {
        RECOVERY_DISARM = "recovery-disarm", "k3s does not start again by itself.";
        RECOVERY_STOP = "recovery-stop", "k3s is stopped and disabled.";
        RECOVERY_ASIDE = "recovery-aside", "The datastore is out of the way.";
        RECOVERY_RESET = "recovery-reset", "etcd has one member, with the data that it has or gets back.";
        RECOVERY_CERTIFICATES = "recovery-certificates", "Expired certificates are out of the way.";
        RECOVERY_START = "recovery-start", "k3s runs as it is.";
    }
    #[doc = "Steps of a reset."]
    RESET {
        RESET_SERVICES = "reset-services", "Services are stopped.";
        RESET_HOLDS = "reset-holds", "Packages are held no more.";
        RESET_DRIVER = "reset-driver", "NVIDIA's own installer has removed the driver.";
        RESET_PACKAGES = "reset-packages", "Packages are removed.";
        RESET_CONTAINERS = "reset-containers", "Containers are ended.";
        RESET_MOUNTS = "reset-mounts", "What is mounted for containers is unmounted.";
        RESET_NETWORK = "reset-network", "Network interfaces are removed.";
        RESET_ADDRESS = "reset-address", "The virtual address is given up.";
        RESET_FIREWALL = "reset-firewall", "Rules of the firewall are removed.";
        RESET_TREES = "reset-trees", "Directories of ours are removed with everything in them.";
        RESET_FILES = "reset-files", "Files are removed, and what was there before comes back.";
        RESET_NOUVEAU = "reset-nouveau", "The initial disk is made without our list of modules.";
        RESET_KERNEL = "reset-kernel", "Modules and parameters of the kernel are as before.";
        RESET_RECORD = "reset-record", "Nothing is left, and nothing is recorded any more.";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_steps_have_one_name() {
        let all: Vec<&str> = [INSTALL, SITE, IN_CLUSTER, REPAIR, RECOVERY, RESET].concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let is_plain = |name: &&str| {
            name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        };
        assert!(all.iter().all(is_plain), "{all:?}");
    }
}
