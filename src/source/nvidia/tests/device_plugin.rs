//! Tests of the device plugin's image and manifest.

use super::*;
use crate::oci::reference::Reference;
use crate::spec::FileSource;

const IMAGE: &str = "nvcr.io/nvidia/k8s-device-plugin:v0.20.0";

fn nvidia() -> Nvidia {
    let device_plugin = Some(IMAGE.parse::<Reference>().unwrap());
    Nvidia { driver: None, device_plugin, ..section(DriverSource::Cuda, "580") }
}

#[test]
fn the_image_is_for_all_platforms_of_the_bundle() {
    let found = images(&nvidia(), &[Platform::LinuxAmd64]);
    let [image] = &found[..] else { panic!("one image") };
    assert_eq!((image.reference.to_string().as_str(), image.platforms.len(), image.line), (IMAGE, 1, 5));
    assert_eq!(images(&section(DriverSource::Cuda, "580"), &[Platform::LinuxAmd64]), []);
}

#[test]
fn the_manifest_runs_the_image_where_gpus_are_and_without_privileges() {
    let entries = files(&nvidia(), &[]);
    let [entry] = &entries[..] else { panic!("one file") };
    assert_eq!(
        (entry.path.as_str(), entry.mode),
        ("/opt/airlock/manifests/nvidia-device-plugin.yaml", 0o644)
    );
    let FileSource::Generated { origin, text } = &entry.source else { panic!("made by airlock") };
    assert_eq!(*origin, "airlock: manifests/nvidia/device-plugin.yaml");

    let manifest: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    assert_eq!((&manifest["apiVersion"], &manifest["kind"]), (&"apps/v1".into(), &"DaemonSet".into()));
    let template = &manifest["spec"]["template"];
    assert_eq!(template["metadata"]["labels"], manifest["spec"]["selector"]["matchLabels"]);
    let pod = &template["spec"];
    assert_eq!(pod["runtimeClassName"], "nvidia");
    assert_eq!(pod["priorityClassName"], "system-node-critical");
    assert_eq!(pod["nodeSelector"]["nvidia.com/gpu.present"], "true", "a string, since labels are");
    assert_eq!(pod["tolerations"][0]["key"], "nvidia.com/gpu");
    assert_eq!(pod["hostNetwork"], serde_json::Value::Null);
    let [container] = &pod["containers"].as_array().unwrap()[..] else { panic!("one container") };
    assert_eq!(container["image"], IMAGE);
    assert_eq!(container["imagePullPolicy"], "IfNotPresent", "there is nothing to pull from");
    assert_eq!(container["securityContext"]["privileged"], false);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    assert!(container["env"].as_array().unwrap().iter().all(|variable| variable["value"].is_string()));
    assert_eq!(container["volumeMounts"][0]["name"], pod["volumes"][0]["name"]);
    assert_eq!(container["volumeMounts"][0]["mountPath"], pod["volumes"][0]["hostPath"]["path"]);
}
