//! Bad inventories of Ansible, and that nothing of a password is shown with them.

use crate::rejected::check;
use crate::{ansible, rendered};

#[test]
fn ini_says_what_is_wrong() {
    let report = check(
        &[
            ("no server", "[worker]\na\n", "E1104", "", "no server"),
            (
                "same address of SSH",
                "[master]\na ansible_host=10.0.0.1\nb ansible_host=10.0.0.1\n",
                "E1103",
                "b",
                "same address and port of SSH as `a` on line 2",
            ),
            (
                "same name twice",
                "[master]\nnode_1 ansible_host=10.0.0.1\nnode-1 ansible_host=10.0.0.2\n",
                "E1103",
                "node-1",
                "stands twice",
            ),
            ("no group", "a\n[master]\nb\n", "E1102", "a", "is in no group"),
            ("unknown group", "[master]\nb\n[wokers]\na\n", "E1102", "a", "`wokers`, which does not say"),
            (
                "agent and balancer",
                "[master]\nb\n[worker]\na\n[lb]\na\n[all:vars]\nvip=10.0.0.9\n",
                "E1102",
                "a",
                "agent and a balancer",
            ),
            ("role", "[master]\na airlock_role=boss\n", "E1102", "boss", "not a role"),
            ("port 70000", "[master]\na ansible_port=70000\n", "E0105", "70000", "not a port"),
            ("port with a space", "[master]\na ansible_port='\"22 \"'\n", "E0105", "'\"22 \"'", "not a port"),
            ("port of a name", "[master]\na:0\n", "E0105", "0", "not a port"),
            (
                "zone",
                "[master]\na ansible_host=fe80::1%eth0\n",
                "E0105",
                "fe80::1%eth0",
                "cannot be used as a host",
            ),
            ("pods", "[master]\na ansible_host=10.42.0.1\n", "E1105", "a", "network of the pods"),
            (
                "virtual address of a node",
                "[master]\na ansible_host=10.0.0.1\n[all:vars]\nvip=10.0.0.1\n",
                "E1105",
                "10.0.0.1",
                "that of `a` on line 2",
            ),
            ("router without address", "[master]\na\n[all:vars]\nvrid=51\n", "E1101", "51", "there is none"),
            ("label", "[master]\na label=a_=b\n", "E0105", "a_=b", "cannot be a label"),
            ("label without value", "[master]\na label=gpu\n", "E1101", "gpu", "KEY=VALUE"),
            ("has_gpu", "[master]\na has_gpu=maybe\n", "E1101", "maybe", "not `true` or `false`"),
            (
                "GPU and none",
                "[master]\na has_gpu=false\n[gpu]\na\n",
                "E1101",
                "false",
                "group of nodes with GPUs",
            ),
            (
                "no driver",
                "[master]\na has_gpu=true install_nvidia_driver=false\n",
                "E1101",
                "false",
                "driver is not to be installed",
            ),
            (
                "docker",
                "[master]\na\n[all:vars]\ninstall_docker=true\n",
                "E1101",
                "true",
                "containerd instead",
            ),
            (
                "arguments",
                "[master]\na\n[all:vars]\nextra_server_args=--debug\n",
                "E1101",
                "--debug",
                "not understood",
            ),
            ("connection", "[master]\na ansible_connection=winrm\n", "E1101", "winrm", "does not connect by"),
            ("su", "[master]\na ansible_become_method=su\n", "E1101", "su", "by sudo"),
            ("template", "[master]\na ansible_host=\"{{ ip }}\"\n", "E1101", "\"{{ ip }}\"", "template"),
            (
                "template of a secret",
                "[master]\na\n[all:vars]\nk3s_token={{ lookup('env', 'T') }}\n",
                "E1101",
                "************************",
                "template",
            ),
            (
                "two names for one thing",
                "[master]\na ansible_host=b ansible_ssh_host=c\n",
                "E1101",
                "c",
                "say different things",
            ),
            (
                "two ports",
                "[master]\na http_port=80\nb http_port=81\n",
                "E1101",
                "81",
                "something else on line 2",
            ),
            (
                "NFS without export",
                "[master]\na nfs_server=nas\n",
                "E1101",
                "nas",
                "directory that it exports",
            ),
            ("quote", "[master]\na my_iface='eth1\n", "E1100", "'", "a quote has no end"),
            ("word", "[master]\na eth1\n", "E1100", "eth1", "not `variable=value`"),
            ("spaces around", "[master]\na my_iface = eth1\n", "E1100", "my_iface", "not `variable=value`"),
            ("section", "[master]\na\n[all:var]\nx=1\n", "E1100", "[all:var]", "no kind of section"),
            ("section with spaces", "[all : vars]\nx=1\n", "E1100", "[all : vars]", "head of a section"),
            ("child", "[master]\na\n[k:children]\nmastr\n", "E1100", "mastr", "no group `mastr`"),
            (
                "variables of no group",
                "[master]\na\n[mastr:vars]\nx=1\n",
                "E1100",
                "[mastr:vars]",
                "no group `mastr`",
            ),
            (
                "circle",
                "[master]\na\n[a:children]\nb\n[b:children]\na\n",
                "E1100",
                "[a:children]",
                "contains itself",
            ),
            ("variables", "[master]\na\n[all:vars]\nx\n", "E1100", "x", "not `variable=value`"),
            ("range", "[master]\nn[3:1]\n", "E1100", "n[3:1]", "ends before it begins"),
            ("hosts of a range", "[master]\nn[1:9999]\n", "E1100", "n[1:9999]", "more than 5000"),
            (
                "own variable",
                "[master]\na airlock_rol=server\n",
                "E1101",
                "server",
                "no variable `airlock_rol`",
            ),
        ],
        ansible,
    );
    insta::assert_snapshot!(report);
}

#[test]
fn nothing_of_a_password_is_shown() {
    for text in [
        "[master]\na ansible_become_pass=hunter2 my_iface=-x\n",
        "[master]\na my_iface=-x ansible_become_pass='hunter2\n",
        "[master]\na ansible_become_pass=x hunter2\n",
        "[master]\na\n[all:vars]\nansible_become_pass = hunter2\nhunter2\n",
        "[master]\na ansible_become_pass=\"{{ hunter2 }}\"\n",
        "[master]\na\n[all:vars]\nconvect_token=hunter2 hunter2\n",
        "[master]\na ansible_become_pass=\"['hunter2']\"\n",
        "[master]\na k3s_token=hunter2\nb k3s_token=hunter22\n",
        "[master]\na ansible_become_pass=hunter2 ansible_sudo_pass=hunter22\n",
    ] {
        let error = ansible(text).expect_err(text);
        // A line that is a bare word below a password could be anything.
        if !text.ends_with("\nhunter2\n") {
            assert!(!format!("{error:?}").contains("hunter2"), "{text}: {}", rendered(&error));
        }
        assert!(!error.message().contains("hunter2"), "{text}: {}", rendered(&error));
    }
}
