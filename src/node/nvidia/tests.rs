//! Driver states as data: what is planned and done in each, and that a second run has nothing to do.

mod simulated;

use std::sync::Arc;

use self::simulated::{Contents, Simulated, VERSION, devices};
use super::*;
use crate::bundle::manifest::apt::{Apt, example};
use crate::bundle::manifest::{Artifact, File};
use crate::node::driver::{Done, execute};
use crate::node::journal::{Entry, Journal};
use crate::node::origin::Origin;
use crate::node::plan::Plan;
use crate::node::settings::{Role, Settings};
use crate::progress::Silent;

const KERNEL: &str = "6.1.0-41-amd64";

fn file(path: &str) -> Artifact {
    Artifact::File(File {
        path: path.to_owned(),
        mode: "0644".to_owned(),
        origin: "test".to_owned(),
        authenticated_by: "test".to_owned(),
        blob: example::blob(path),
    })
}

fn nvidia_of(apt: Apt, more: Vec<Artifact>, devices: facts::Gpu) -> Arc<Nvidia> {
    let origin = Arc::new(Contents::new(&apt, more));
    let packages = Arc::new(Packages { apt, origin, store: None });
    Arc::new(Nvidia { wanted: Gpu::Auto, devices, secure_boot: false, packages: Some(packages) })
}

fn nvidia(devices: facts::Gpu) -> Arc<Nvidia> {
    nvidia_of(example::gpu_repository(), Vec::new(), devices)
}

fn plan(nvidia: &Arc<Nvidia>, simulated: &Simulated) -> String {
    let machine = simulated.machine();
    let plan = Plan::make(&steps(nvidia, &machine).unwrap(), &machine).unwrap();
    let lines = plan
        .steps
        .iter()
        .flat_map(|step| step.changes.iter().map(move |change| format!("{}: {change}\n", step.name)));
    lines.collect()
}

/// Runs the steps as `install` does.
fn run(nvidia: &Arc<Nvidia>, simulated: &Simulated) -> Result<Done> {
    let machine = simulated.machine();
    let mut journal = Journal::open(&machine).unwrap();
    let (command, version, at) = ("install".to_owned(), "1".to_owned(), "now".to_owned());
    journal.add(Entry::Run { command, version, at }).unwrap();
    execute(&steps(nvidia, &machine)?, &machine, &mut journal, &Silent)
}

#[test]
fn without_a_gpu_nothing_is_done_unless_one_was_promised() {
    let simulated = Simulated::new(KERNEL);
    assert!(steps(&nvidia(devices(0, 0)), &simulated.machine()).unwrap().is_empty());
    let promised = Nvidia { wanted: Gpu::Yes, ..(*nvidia(devices(0, 0))).clone() };
    let error = steps(&Arc::new(promised), &simulated.machine()).err().unwrap();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::GPU_MISSING, 7));
    let unwanted = Nvidia { wanted: Gpu::No, ..(*nvidia(devices(8, 4))).clone() };
    assert!(steps(&Arc::new(unwanted), &simulated.machine()).unwrap().is_empty());
}

#[test]
fn a_gpu_without_any_driver_is_left_alone_or_an_error() {
    let simulated = Simulated::new(KERNEL);
    let without =
        |wanted| Arc::new(Nvidia { wanted, devices: devices(1, 0), secure_boot: false, packages: None });
    assert!(steps(&without(Gpu::Auto), &simulated.machine()).unwrap().is_empty());
    let error = steps(&without(Gpu::Yes), &simulated.machine()).err().unwrap();
    assert!(error.message().contains("the bundle has none"));
}

#[test]
fn a_bare_machine_gets_everything_once() {
    let simulated = Simulated::new(KERNEL);
    simulated.write("/state/module-for", KERNEL);
    let nvidia = nvidia(devices(2, 0));
    insta::assert_snapshot!(plan(&nvidia, &simulated), @r"
    nvidia-packages: create /var/lib/airlock/apt/gpu/repository (10 of 10 files)
    nvidia-packages: install nvidia-driver (580.126.20-1)
    nouveau: create /etc/modprobe.d/airlock-nouveau.conf (0644)
    nvidia-module: create /etc/modules-load.d/airlock-nvidia.conf (0644)
    nvidia-module: start nvidia nvidia_uvm (580.126.20)
    nvidia-toolkit: create /var/lib/airlock/apt/gpu/repository (10 of 10 files)
    nvidia-toolkit: install nvidia-container-toolkit (1.18.0-1)
    nvidia-cdi: run nvidia-ctk cdi generate
    ");
    let done = run(&nvidia, &simulated).unwrap();
    assert_eq!(done.reboot_for, None);
    insta::assert_snapshot!(simulated.calls().join("\n"), @r"
    apt-get --quiet update
    apt-get --quiet --simulate --no-install-recommends --no-remove install nvidia-driver=580.126.20-1
    apt-get --quiet --yes --no-install-recommends --no-remove install nvidia-driver=580.126.20-1
    modprobe nvidia
    modprobe nvidia_uvm
    systemctl reset-failed nvidia-persistenced.service
    systemctl enable --quiet --now nvidia-persistenced.service
    apt-get --quiet update
    apt-get --quiet --simulate --no-install-recommends --no-remove install nvidia-container-toolkit=1.18.0-1
    apt-get --quiet --yes --no-install-recommends --no-remove install nvidia-container-toolkit=1.18.0-1
    nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml
    apt-mark hold nvidia-driver nvidia-container-toolkit
    ");
    assert_eq!(plan(&nvidia, &simulated), "", "a second run has nothing to do");
    assert!(run(&nvidia, &simulated).unwrap().changed.is_empty());
    let labels = labels(&simulated.machine(), &nvidia.devices).unwrap();
    assert_eq!(labels["nvidia.com/gpu.count"], "2");
    assert_eq!(labels["nvidia.com/gpu.product"], "NVIDIA-H100-80GB-HBM3");
}

#[test]
fn a_driver_that_works_and_is_not_ours_is_left_alone() {
    let simulated = Simulated::new(KERNEL).with_driver("570.86.15", "570.86.15");
    simulated.write("/sys/module/nouveau/x", "");
    insta::assert_snapshot!(plan(&nvidia(devices(2, 0)), &simulated), @r"
    nvidia-toolkit: create /var/lib/airlock/apt/gpu/repository (10 of 10 files)
    nvidia-toolkit: install nvidia-container-toolkit (1.18.0-1)
    nvidia-cdi: run nvidia-ctk cdi generate
    ");
}

/// Debian's module has another name, which only its modprobe.d knows; the unit that describes GPUs does not.
#[test]
fn the_module_of_debian_is_found_as_well() {
    let simulated = Simulated::new(KERNEL);
    simulated.write("/state/units/nvidia-cdi-refresh.service", "inactive enabled");
    simulated.write("/state/module-for", KERNEL);
    simulated.write("/state/module-name", "nvidia-current-open");
    let nvidia = nvidia(devices(1, 0));
    assert_eq!(run(&nvidia, &simulated).unwrap().reboot_for, None);
    assert!(simulated.read("/etc/cdi/nvidia.yaml").is_some_and(|text| text.contains(VERSION)));
    assert_eq!(plan(&nvidia, &simulated), "");
}

#[test]
fn nouveau_in_use_takes_one_restart() {
    let simulated = Simulated::new(KERNEL);
    simulated.write("/state/module-for", KERNEL);
    simulated.write("/sys/module/nouveau/x", "");
    simulated.write("/state/busy-nouveau", "");
    simulated.write(&format!("/boot/initrd.img-{KERNEL}"), "");
    simulated.write("/state/initrd", "usr/lib/modules/6.1.0/kernel/drivers/gpu/drm/nouveau/nouveau.ko\n");
    let nvidia = nvidia(devices(1, 0));
    assert!(plan(&nvidia, &simulated).contains(
        "nouveau: create /etc/modprobe.d/airlock-nouveau.conf (0644)\nnouveau: run update-initramfs -u -k all\n\
         nouveau: stop nouveau (or restart the machine)\n"
    ));
    assert_eq!(run(&nvidia, &simulated).unwrap().reboot_for, Some("nouveau"));
    assert!(simulated.calls().contains(&"update-initramfs -u -k all".to_owned()));
    assert_eq!(
        run(&nvidia, &simulated).unwrap().reboot_for,
        Some("nouveau"),
        "the restart has not happened yet"
    );

    // It comes back all the same.
    simulated.boots("two");
    let error = run(&nvidia, &simulated).unwrap_err();
    assert_eq!(error.code(), codes::GPU_NOUVEAU);

    // It does not.
    simulated.boots("three");
    simulated.remove("/sys/module/nouveau");
    let done = run(&nvidia, &simulated).unwrap();
    assert_eq!((done.reboot_for, done.changed[0]), (None, "nvidia-module"));
    assert_eq!(plan(&nvidia, &simulated), "");
}

#[test]
fn a_module_for_another_kernel_takes_a_restart_into_it() {
    let simulated = Simulated::new("6.1.0-40-amd64");
    simulated.write("/state/module-for", KERNEL);
    let nvidia = nvidia(devices(1, 0));
    assert_eq!(run(&nvidia, &simulated).unwrap().reboot_for, Some("nvidia-module"));
    simulated.boots("two");
    let error = run(&nvidia, &simulated).unwrap_err();
    assert_eq!(error.code(), codes::GPU_MODULE_MISSING);
    assert_eq!(error.message(), "there is no NVIDIA module for the running kernel 6.1.0-40-amd64");
    assert!(error.help().unwrap().starts_with("start the kernel 6.1.0-41-amd64 instead"));
    simulated.boots("three");
    simulated.write("/proc/sys/kernel/osrelease", KERNEL);
    simulated.write("/state/module", VERSION);
    assert_eq!(run(&nvidia, &simulated).unwrap().reboot_for, None);
}

#[test]
fn a_kernel_without_modules_is_told_with_what_dkms_says() {
    let simulated = Simulated::new("6.6.6-other");
    simulated.write("/state/dkms", "nvidia/580.126.20: added\nzfs/2.1: installed\n");
    let error = run(&nvidia(devices(1, 0)), &simulated).unwrap_err();
    assert_eq!(error.code(), codes::GPU_MODULE_MISSING);
    assert_eq!(
        error.details()[..2],
        [
            "dkms status: nvidia/580.126.20: added",
            "the headers of 6.6.6-other are not installed: DKMS cannot build it"
        ]
    );
    assert!(error.help().unwrap().contains("(6.1.0-41-amd64, 6.12.0-1-amd64)"));
}

#[test]
fn secure_boot_is_explained_step_by_step() {
    let simulated = Simulated::new(KERNEL);
    simulated.write("/state/module-for", KERNEL);
    simulated.write("/state/rejects", "");
    let error = run(&nvidia(devices(1, 0)), &simulated).unwrap_err();
    assert_eq!(error.code(), codes::GPU_SECURE_BOOT);
    assert!(
        error.help().unwrap().contains("`mokutil --import") && error.help().unwrap().contains("Enroll MOK")
    );
}

/// New packages of the driver, while the modules of the old one are loaded.
#[test]
fn a_driver_that_was_upgraded_is_loaded_anew_or_after_a_restart() {
    let older = || {
        let simulated = Simulated::new(KERNEL).with_driver("570.86.15", "570.86.15");
        simulated.write("/state/module-for", KERNEL);
        simulated.write(
            "/var/lib/dpkg/status",
            "Package: nvidia-driver\nStatus: install ok installed\nArchitecture: amd64\nVersion: 570.86.15-1\n\n",
        );
        simulated
    };
    let nvidia = nvidia(devices(1, 0));
    let simulated = older();
    assert_eq!(run(&nvidia, &simulated).unwrap().reboot_for, None);
    assert!(simulated.read("/proc/driver/nvidia/version").unwrap().contains(VERSION));

    let simulated = older();
    simulated.write("/state/busy-nvidia", "");
    assert_eq!(run(&nvidia, &simulated).unwrap().reboot_for, Some("nvidia-module"));
    simulated.boots("two");
    let error = run(&nvidia, &simulated).unwrap_err();
    assert_eq!(error.code(), codes::GPU_DRIVER);
    assert_eq!(
        error.details()[..4],
        [
            "loaded modules: 570.86.15",
            "module for the running kernel: 580.126.20",
            "libraries: 580.126.20",
            "nvidia-smi: fails: Failed to initialize NVML: Driver/library version mismatch"
        ]
    );
}

#[test]
fn fabric_manager_runs_where_there_is_a_switch_and_nowhere_else() {
    let simulated = Simulated::new(KERNEL);
    simulated.write("/state/module-for", KERNEL);
    let with_switch = nvidia(devices(8, 4));
    assert!(plan(&with_switch, &simulated).contains("nvidia-services: start nvidia-fabricmanager.service\n"));
    assert!(
        plan(&with_switch, &simulated)
            .contains("nvidia-packages: install nvidia-fabricmanager (580.126.20-1)")
    );
    run(&with_switch, &simulated).unwrap();
    assert_eq!(simulated.read("/state/units/nvidia-fabricmanager.service").unwrap(), "active enabled");
    assert_eq!(plan(&with_switch, &simulated), "");

    let simulated = Simulated::new(KERNEL);
    simulated.write("/state/module-for", KERNEL);
    run(&nvidia(devices(8, 0)), &simulated).unwrap();
    assert_eq!(simulated.read("/state/units/nvidia-fabricmanager.service"), None);
}

#[test]
fn a_switch_without_fabric_manager_is_an_error() {
    let simulated = Simulated::new(KERNEL);
    simulated.write("/state/module-for", KERNEL);
    let mut apt = example::gpu_repository();
    apt.install.retain(|install| install.purpose != Purpose::FabricManager);
    if let Some(nvidia) = &mut apt.nvidia {
        nvidia.fabric_manager = None;
    }
    let error = run(&nvidia_of(apt, Vec::new(), devices(8, 4)), &simulated).unwrap_err();
    assert_eq!(error.code(), codes::GPU_FABRIC_MANAGER);
}

#[test]
fn the_installer_of_nvidia_is_run_once() {
    let path = "/opt/airlock/nvidia/NVIDIA-Linux-x86_64-580.126.20.run";
    let mut apt = example::gpu_repository();
    apt.install.retain(|install| !matches!(install.purpose, Purpose::Driver | Purpose::FabricManager));
    if let Some(driver) = apt.nvidia.as_mut().and_then(|nvidia| nvidia.driver.as_mut()) {
        driver.run_file = Some(path.to_owned());
    }
    let nvidia = nvidia_of(apt, vec![file(path)], devices(1, 0));
    let simulated = Simulated::new(KERNEL);
    simulated.write("/state/module-for", KERNEL);
    run(&nvidia, &simulated).unwrap();
    let calls = simulated.calls();
    let installs: Vec<&String> = calls.iter().filter(|call| call.starts_with(path)).collect();
    insta::assert_snapshot!(
        installs[0],
        @"/opt/airlock/nvidia/NVIDIA-Linux-x86_64-580.126.20.run --silent --dkms --no-x-check --no-install-libglvnd --skip-module-load --kernel-module-type=open"
    );
    assert_eq!(installs.len(), 1);
    assert_eq!(plan(&nvidia, &simulated), "");
    // What works stays, whatever version a later bundle has.
    let simulated = Simulated::new(KERNEL).with_driver("570.86.15", "570.86.15");
    assert!(!plan(&nvidia, &simulated).contains("nvidia-installer"));
}

#[test]
fn servers_tell_the_cluster_about_gpus() {
    let apt = example::gpu_repository();
    let path = "/opt/airlock/manifests/nvidia-device-plugin.yaml";
    let origin: Arc<dyn Origin> = Arc::new(Contents::new(&apt, vec![file(path)]));
    let simulated = Simulated::new(KERNEL);
    let machine = simulated.machine();
    let changes = |settings: &Settings| -> Option<Vec<String>> {
        let step = manifests(settings, &origin)?;
        Some(step.check(&machine).unwrap().iter().map(ToString::to_string).collect())
    };
    let directory = "/var/lib/rancher/k3s/server/manifests/airlock-nvidia";
    assert_eq!(
        changes(&Settings::default()).unwrap(),
        [
            format!("create {directory}-runtime-class-cdi.yaml (0600)"),
            format!("create {directory}-device-plugin.yaml (0600)"),
        ]
    );
    let without_classes = Settings { disable: vec!["runtimes".to_owned()], ..Settings::default() };
    assert_eq!(changes(&without_classes).unwrap().len(), 3);
    assert_eq!(changes(&Settings { role: Role::Agent, ..Settings::default() }), None);
    let without_plugin: Arc<dyn Origin> = Arc::new(Contents::new(&apt, Vec::new()));
    assert!(manifests(&Settings::default(), &without_plugin).is_none());
}
