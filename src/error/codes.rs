//! Every error code. Numbers are never reused or renumbered: people search for them.
//!
//! E00xx command line and machine · E01xx spec · E02xx lock · E03xx fetching and registries ·
//! E04xx bundle format · E05xx trust · E06xx cache, disks and store · E07xx local sources · E08xx apt repositories ·
//! E09xx serving · E10xx nodes · E11xx clusters.

use super::{Code, Kind};

macro_rules! codes {
    ($($name:ident = $number:literal, $kind:ident, $summary:literal;)*) => {
        $(
            #[doc = $summary]
            pub const $name: Code = Code { number: $number, kind: Kind::$kind, summary: $summary };
        )*
        /// All codes, in the order of this file.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    INTERNAL = 1, Internal, "a bug of airlock";
    USAGE = 2, Usage, "the command line cannot be understood";
    INTERRUPTED = 3, Interrupted, "stopped by a signal; the same command continues";
    OUTPUT = 4, CouldNotCheck, "the result could not be written";
    RESOURCES = 5, Precondition, "the system refuses file handles or threads";
    NOT_IN_THIS_VERSION = 6, Usage, "a command that this version does not have yet";
    NO_TERMINAL = 7, Usage, "a question cannot be asked without a terminal";
    ENVIRONMENT = 8, Usage, "an environment variable has an unusable value, or one is missing";
    FILE_READ = 9, BadInput, "a file named on the command line cannot be read";
    FILE_WRITE = 10, Precondition, "a file cannot be written";
    FILE_EXISTS = 11, Precondition, "a file is there already and is not overwritten";
    NEW_PASSPHRASE = 12, Usage, "a passphrase is empty, or was typed differently the second time";

    SPEC_SYNTAX = 101, BadInput, "bundle.yaml or cluster.yaml is not well-formed YAML";
    SPEC_UNKNOWN_KEY = 102, BadInput, "bundle.yaml or cluster.yaml has a key that airlock does not know";
    SPEC_DUPLICATE_KEY = 103, BadInput, "bundle.yaml or cluster.yaml has a key twice";
    SPEC_TYPE = 104, BadInput, "a value in bundle.yaml or cluster.yaml has the wrong type";
    SPEC_VALUE = 105, BadInput, "a value in bundle.yaml or cluster.yaml is not allowed";
    SPEC_MISSING = 106, BadInput, "bundle.yaml or cluster.yaml lacks something required";
    SPEC_BUDGET = 107, BadInput, "bundle.yaml or cluster.yaml is too large, too deep or expands too much";
    SPEC_NOT_YET = 108, BadInput, "bundle.yaml uses a section that this version cannot build yet";
    SPEC_READ = 109, BadInput, "bundle.yaml or cluster.yaml cannot be read";
    IMAGE_REFERENCE = 110, BadInput, "an image reference is malformed";
    DIGEST = 111, BadInput, "a digest is malformed or of an unsupported algorithm";
    PLATFORM = 112, BadInput, "a platform is malformed or not supported";

    LOCK_SYNTAX = 201, BadInput, "bundle.lock cannot be read";
    LOCK_OUTDATED = 202, BadInput, "bundle.lock does not cover bundle.yaml";
    LOCK_MISSING = 203, BadInput, "there is no bundle.lock";
    LOCK_NAME = 204, Usage, "--update names something that is not in bundle.yaml";
    LOCK_MOVED = 205, BadInput, "something local is not what bundle.lock pins";
    LOCK_WRITE = 206, Precondition, "bundle.lock cannot be written";

    FETCH_URL = 301, BadInput, "a URL cannot be used";
    FETCH_CA_FILE = 302, BadInput, "a file of certificate authorities cannot be used";
    FETCH_NO_CERTIFICATES = 303, Precondition, "this machine has no certificate authorities";
    FETCH_PROXY = 304, Upstream, "a proxy is malformed or refuses to serve";
    FETCH_CONNECT = 305, Upstream, "a server cannot be reached or breaks off";
    FETCH_STALLED = 306, Upstream, "a server sends nothing or next to nothing";
    FETCH_TLS = 307, Upstream, "the certificate of a server is not accepted, or it does not speak TLS";
    FETCH_STATUS = 308, Upstream, "a server refuses a request";
    FETCH_NOT_FOUND = 309, Upstream, "a server does not have what was asked for";
    FETCH_REDIRECT = 310, Upstream, "a redirect is not followed";
    FETCH_ANSWER = 311, Upstream, "the answer of a server makes no sense";
    FETCH_LENGTH = 312, Upstream, "a server sends more or fewer bytes than it should";
    FETCH_WEB_PAGE = 313, Upstream, "a web page, such as a login, came instead of what was asked for";
    FETCH_UNAUTHORIZED = 314, Upstream, "a server wants credentials, or refuses those it got";
    FETCH_REALM = 315, Upstream, "the token service of a registry is not one its credentials may be sent to";
    FETCH_WAIT = 316, Upstream, "a server asks to wait longer than a build should";
    CREDENTIALS_FILE = 317, BadInput, "a Docker config.json or auth.json is malformed";
    CREDENTIAL_HELPER = 318, Precondition, "a credential helper failed";
    OCI_DOCUMENT = 319, BadInput, "an image manifest or index is malformed or of an unsupported kind";
    OCI_DIGEST_MISMATCH = 320, Corrupt, "a registry sent a manifest that does not have the digest asked for";

    BUNDLE_PATH = 401, Usage, "there is no bundle at the path, or more than one";
    BUNDLE_FOREIGN = 402, BadInput, "the file is not a bundle";
    BUNDLE_NEWER = 403, BadInput, "the bundle needs a newer airlock";
    MANIFEST_SYNTAX = 404, BadInput, "the manifest is not well-formed";
    MANIFEST_VALUE = 405, BadInput, "the manifest breaks a rule of the format";
    MANIFEST_TOO_LARGE = 406, BadInput, "the manifest is larger than the format allows";
    BUNDLE_FRAME = 407, Corrupt, "a header, padding or trailer of a volume is damaged";
    VOLUME_MISSING = 408, Corrupt, "a volume of the bundle is missing";
    VOLUME_FOREIGN = 409, Corrupt, "a volume belongs to another bundle";
    VOLUME_DUPLICATE = 410, Corrupt, "a volume is there twice";
    VOLUME_LENGTH = 411, Corrupt, "a volume is shorter or longer than it should be";
    BLOB_DAMAGED = 412, Corrupt, "the bytes of a blob are not what their digest says";
    BUNDLE_DAMAGED = 413, Corrupt, "the bundle is damaged";
    BUNDLE_CHANGED = 414, Corrupt, "the bundle was changed or replaced while it was read";
    BUNDLE_READ = 415, CouldNotCheck, "the bundle cannot be read";
    ARTIFACT_UNKNOWN = 416, Usage, "the bundle has no such artifact";
    VOLUME_SIZE = 417, Usage, "the volume size cannot be used for this bundle";
    ARTIFACT_AMBIGUOUS = 418, Usage, "a name means several artifacts of the bundle";

    SIGNATURE_MISSING = 501, Untrusted, "the bundle is not signed";
    SIGNER_UNKNOWN = 502, Untrusted, "the signature is of a key that is not trusted";
    SIGNATURE_PURPOSE = 503, Untrusted, "the signature was made for another purpose";
    SIGNATURE_INVALID = 504, Untrusted, "the signature does not belong to these bytes";
    SIGNATURE_COUNT = 505, Untrusted, "too few trusted keys have signed";
    KEY_REVOKED = 506, Untrusted, "the signature is of a revoked key";
    SERIAL_OLDER = 507, Rollback, "the bundle is older than what is required";
    ALLOWED_SIGNERS = 508, BadInput, "the list of allowed signers cannot be used";
    REVOKED_KEYS = 509, BadInput, "the list of revoked keys cannot be used";
    THRESHOLD = 510, BadInput, "the number of required signatures makes no sense";
    PUBLIC_KEY = 511, BadInput, "a public key cannot be used";
    PRIVATE_KEY = 512, BadInput, "a private key cannot be used";
    PRIVATE_KEY_MODE = 513, Precondition, "a private key file can be read by others";
    PRIVATE_KEY_LOCKED = 514, Precondition, "the passphrase does not open the private key";
    AGENT = 515, Precondition, "the ssh-agent cannot be used";
    AGENT_KEY = 516, Precondition, "the ssh-agent does not hold the key";

    CACHE_IO = 601, CouldNotCheck, "the cache cannot be read or written";
    NO_SPACE = 602, Precondition, "a disk has too little free space";
    LOCK_BUSY = 603, Busy, "another airlock process is working on the same thing";
    WRONG_DIGEST = 604, Corrupt, "bytes received do not have the digest that was asked for";
    TARGET_EXISTS = 605, Precondition, "the target exists already";
    TARGET_WRITE = 606, CouldNotCheck, "the target cannot be written";
    TARGET_LIMIT = 620, Usage, "the target's file system cannot hold volumes of that size";
    TARGET_IO = 621, CouldNotCheck, "the target directory cannot be read or written";
    TARGET_CHANGED = 622, Corrupt, "the medium does not give back what was written to it";
    INSTALLER = 623, Precondition, "the airlock program for a platform is missing";

    STORE_MISSING = 630, Precondition, "there is no store in the directory";
    STORE_FORMAT = 631, BadInput, "the directory of a store holds something else, or a file in it is malformed";
    STORE_IO = 632, CouldNotCheck, "the store cannot be read or written";
    REPOSITORY_NAME = 633, BadInput, "the name of a repository or tag is malformed";
    MANIFEST_INVALID = 634, BadInput, "a pushed manifest is malformed or contradicts itself";
    MANIFEST_BLOB_UNKNOWN = 635, BadInput, "a pushed manifest needs a blob that its repository does not have";
    UPLOAD_BUSY = 636, Busy, "another request writes to the same upload";
    UPLOAD_LIMIT = 637, Precondition, "unfinished uploads take up all the space they may have";
    STORE_BLOB_DAMAGED = 638, Corrupt, "the bytes of a blob in the store are not what its name says";
    STORE_DAMAGED = 639, Corrupt, "blobs of the store are damaged or missing";
    STORE_BUNDLE_UNKNOWN = 640, Usage, "the store holds no such bundle, or several";
    STORE_REPAIR = 641, Partial, "some blobs of the store could not be repaired";

    SOURCE_CHANGED = 701, BadInput, "a local file changed while the bundle was built";
    SOURCE_READ = 702, BadInput, "a local file or archive cannot be read";
    SOURCE_FORMAT = 703, BadInput, "a local image archive is not what its name says";
    SOURCE_IMAGE = 704, BadInput, "an image is not in its layout or archive, or lacks a platform";
    SOURCE_SECRET = 705, BadInput, "a file looks like a private key or another secret";
    SOURCE_GLOB = 706, BadInput, "a file pattern matches nothing or something unusable";
    K3S_RELEASE = 707, BadInput, "a k3s release lacks something or contradicts its checksums";

    DEBIAN_VERSION = 801, BadInput, "a version of a Debian package is malformed";
    DEBIAN_RELATION = 802, BadInput, "a dependency or provided name of a Debian package is malformed";
    DEBIAN_CONTROL = 803, BadInput, "a Debian package list or control file is malformed";
    DEBIAN_PACKAGE = 804, BadInput, "the description of a Debian package lacks something or is malformed";
    DEBIAN_SOURCES = 809, BadInput, "a list of apt sources cannot be understood";
    DEBIAN_KEYRING = 810, BadInput, "a keyring or fingerprint for an apt repository cannot be used";
    DEBIAN_UNSIGNED = 811, Untrusted, "an apt repository is not signed, or no longer";
    DEBIAN_ENVELOPE = 812, Untrusted, "a signed file of an apt repository has something around its signed text";
    DEBIAN_SIGNATURE = 813, Untrusted, "the signature of an apt repository is wrong";
    DEBIAN_SIGNATURE_WEAK = 814, Untrusted, "an apt repository is signed with a weak algorithm";
    DEBIAN_SIGNER_UNKNOWN = 815, Untrusted, "an apt repository is signed by a key that is not trusted";
    DEBIAN_KEY_EXPIRED = 816, Untrusted, "the key of an apt repository has expired";
    DEBIAN_KEY_REVOKED = 817, Untrusted, "the key of an apt repository is revoked";
    DEBIAN_KEY_WEAK = 818, Untrusted, "the key of an apt repository is weak";
    DEBIAN_SIGN = 819, Internal, "the repository of a bundle cannot be signed";
    DEBIAN_RELEASE = 820, BadInput, "the Release file of an apt repository is malformed";
    DEBIAN_RELEASE_WEAK = 821, Untrusted, "an apt repository has no SHA-256 or SHA-512 digests";
    DEBIAN_RELEASE_EXPIRED = 822, Rollback, "the Release file of an apt repository has expired";
    DEBIAN_RELEASE_FUTURE = 823, Rollback, "the Release file of an apt repository is from the future";
    DEBIAN_RELEASE_OLDER = 824, Rollback, "an apt repository is older than what was seen before";
    DEBIAN_INDEX_MISSING = 825, BadInput, "an apt repository does not have a component or architecture";
    DEBIAN_INDEX_DAMAGED = 826, Corrupt, "an index of an apt repository is not what its Release file says";
    DEBIAN_REPOSITORY = 827, BadInput, "packages do not go into one repository";
    DEBIAN_LOCATION = 828, BadInput, "the address or suite of an apt repository cannot be used";

    APT_HOST_UNKNOWN = 829, BadInput, "airlock does not know the suites of a distribution";
    APT_ARCHIVE_UNKNOWN = 830, BadInput, "the address of a distribution's archive is neither in bundle.yaml nor known to this machine";
    APT_KEYS_UNKNOWN = 831, BadInput, "the keys of a distribution's archive are neither in bundle.yaml nor on this machine";
    APT_NO_REPOSITORY = 832, Upstream, "there is no apt repository at an address";
    APT_INDEX_MISMATCH = 833, Corrupt, "an index of an apt repository is again and again not what its Release file says";
    APT_INDEX_LENGTH = 834, Upstream, "a mirror again and again sends an index cut off or too long";
    APT_INDEX_GONE = 835, Upstream, "a mirror lacks an index that its Release file lists";
    APT_BASELINE = 836, BadInput, "the list of what nodes have installed cannot be had";
    APT_TASK_UNKNOWN = 837, BadInput, "no package belongs to a requested task";
    APT_PACKAGE_MISMATCH = 838, Corrupt, "a package is not what the index of its repository says";
    APT_LOCK_CONTRADICTS = 839, BadInput, "the packages in bundle.lock are not those its signature is for";
    APT_OTHER_SUITE = 840, Untrusted, "a mirror serves another suite than the one that was asked for";

    DEBIAN_UNIVERSE = 851, BadInput, "the packages of the repositories and the baseline do not fit together";
    PACKAGE_REQUEST = 852, BadInput, "a requested package is not written in a way that names one";
    UNKNOWN_PACKAGE = 853, BadInput, "no repository has a requested package, or not the requested version of it";
    AMBIGUOUS_PACKAGE = 854, BadInput, "a requested package is virtual and several packages provide it";
    UNSATISFIABLE = 855, BadInput, "requested packages cannot be installed with what they need";
    WOULD_REMOVE = 856, BadInput, "requested packages cannot be installed without removing installed ones";
    WRONG_SOLUTION = 857, Internal, "the packages that were chosen cannot be installed together";
    BROKEN_BASELINE = 858, BadInput, "packages on the node that serves as baseline are not installed properly";

    NVIDIA_DRIVER = 860, BadInput, "no repository has the NVIDIA driver that is asked for";
    NVIDIA_KERNEL = 861, BadInput, "no repository has modules of the NVIDIA driver or headers for a kernel";
    NVIDIA_MISMATCH = 862, BadInput, "the packages of an NVIDIA driver are not all there in one version";
    NVIDIA_TRANSITIONAL = 863, BadInput, "a branch of the NVIDIA driver has become another one";
    NVIDIA_TOOLKIT = 864, BadInput, "no repository has the NVIDIA container toolkit that is asked for";
    NVIDIA_FABRIC_MANAGER = 865, BadInput, "no repository has NVIDIA Fabric Manager in the driver's version";

    PROVE_TOOLS = 870, Precondition, "a proof needs programs that this machine lacks";
    PROVE_RIGHTS = 871, Precondition, "a proof needs rights that this process lacks";
    PROVE_ARCHITECTURE = 872, Precondition, "this machine cannot run programs of the architecture to be proved";
    PROVE_ROOT = 873, Precondition, "the root for a proof cannot be made or used";
    PROVE_REFUSED = 874, BadInput, "the real apt does not install what bundle.yaml asks for";
    PROVE_BUSY = 875, Busy, "another proof is running";
    PROVE_WORKSPACE = 876, Precondition, "the directory for a proof cannot be used";
    REGISTRY_LISTEN = 901, Precondition, "the registry cannot listen where it should";
    REGISTRY_TOKEN = 902, Precondition, "the token file of the registry cannot be used";
    REGISTRY_TLS = 903, Precondition, "a certificate or key for the registry cannot be used";
    REGISTRY_AUTHORITY = 904, Precondition, "the certificate authority of the cluster cannot be used";
    UPSTREAM_BLOB = 905, Corrupt, "an upstream sends a blob that is not what its digest says, or contradicts itself";
    UPSTREAM_TRANSFER = 906, Upstream, "the transfer of a blob from an upstream was broken off";

    PREFLIGHT_BLOCKED = 1001, Precondition, "the machine cannot become a node as it is";
    PREFLIGHT_POLICY = 1002, BadInput, "a preflight policy names an unknown check, or one twice";
    PREFLIGHT_FIX = 1003, Precondition, "something that preflight would mend could not be mended";
    FACTS_FORMAT = 1004, BadInput, "a file is no facts of a node, or of a version that is not known";
    DISK_MEASUREMENT = 1005, CouldNotCheck, "the speed of a disk could not be measured";

    NODE_FILE = 1030, Precondition, "a file of the node cannot be read or written";
    NODE_IN_THE_WAY = 1031, Precondition, "something else is where a file of the node has to be";
    NODE_PROGRAM_MISSING = 1032, Precondition, "a program that is needed is not installed on the node";
    NODE_PROGRAM = 1033, Precondition, "a program on the node failed";
    NODE_DEADLINE = 1034, Precondition, "something on the node did not happen in time";
    NODE_JOURNAL = 1035, BadInput, "the journal of the node cannot be understood";
    NODE_BUSY = 1036, Busy, "another command is changing the node";
    NODE_STEP_WITHOUT_EFFECT = 1037, Precondition, "a step ended well, but the node is not as it should be";
    NODE_SERVICE = 1038, Precondition, "a service on the node does not start";
    NODE_SETTINGS = 1039, BadInput, "a setting of the node is not allowed";
    NODE_STILL_MOUNTED = 1040, Precondition, "something is mounted in a directory that is to be removed";
    NODE_ORIGINAL_MISSING = 1041, Precondition, "a file that was replaced cannot be put back";
    RESET_LEFTOVERS = 1042, Precondition, "something of airlock is still on the node after its reset";
    RESET_CONSENT = 1043, Usage, "nobody has agreed to the reset of the node";
    NODE_UNHEALTHY = 1044, Precondition, "something is wrong with the node";
    SIGNERS_NOT_PINNED = 1050, Untrusted, "the node has no list of trusted signers yet";
    SIGNER_NOT_THERE = 1051, Untrusted, "nobody with the given fingerprint has signed the bundle";
    BUNDLE_OLDER = 1052, Rollback, "the bundle is older than the one that the node has";
    SERIAL_TWICE = 1053, Untrusted, "two different bundles claim the same serial";
    NODE_STATE = 1054, BadInput, "the record of what the node has seen cannot be used";
    NOT_ROOT = 1055, Precondition, "the command needs root";
    NODE_PLATFORM = 1056, Precondition, "the bundle has nothing for the architecture of the node";
    CLOCK_BEHIND = 1057, Precondition, "the clock of the node is wrong";
    FOREIGN_CLUSTER = 1058, Precondition, "the node belongs to a cluster that was not installed by airlock";
    NODE_CHANGE = 1059, Precondition, "an installed node cannot become something else";
    NODE_REGISTRY = 1060, Precondition, "the registry that the node is to pull from does not answer";
    IMAGES_MISSING = 1061, Precondition, "images of the bundle cannot be pulled by the node";
    SERVER_BUNDLE = 1062, Upstream, "a server has no bundle, or tells it in a way that cannot be understood";
    AUTHORITY_FINGERPRINT = 1063, Untrusted, "a server does not show the certificate authority that was expected";
    PORT_TAKEN = 1064, Precondition, "another program has a port that is needed";
    REGISTRY_PUSH = 1065, Upstream, "a registry does not take what is pushed to it";
    NO_BUNDLE = 1066, Usage, "no bundle is named, and none is known from an earlier run";
    REGISTRY_LOGIN = 1067, Upstream, "a registry does not let its caller push";
    REGISTRY_TAG = 1068, Upstream, "a tag in a registry cannot be set";
    PACKAGES_TARGET = 1070, Precondition, "the bundle has no packages for the node, or does not tell which";
    PACKAGES_NO_APT = 1071, Precondition, "the node has no apt, which installs the packages of a bundle";
    PACKAGES_LOCKED = 1072, Busy, "another program is working with the packages of the node";
    PACKAGES_BROKEN = 1073, Precondition, "packages of the node are not installed properly";
    PACKAGES_HELD = 1074, Precondition, "packages of the node are held at a version that is too old";
    PACKAGES_REFUSED = 1075, Precondition, "apt would remove or downgrade packages of the node, or cannot install";
    PACKAGES_REMOVAL = 1076, Precondition, "packages cannot be removed without others that were there before";
    NODE_DAMAGED = 1077, Corrupt, "the node is not as its bundle and its settings say";
    NODE_REPAIR = 1078, Partial, "something on the node could not be repaired";
    OTHER_BUNDLE = 1079, Precondition, "the bundle that is named is not the one that the node has";
    K3S_FAILED = 1080, Precondition, "k3s does not start or join, for a reason that is known";
    K3S_POD = 1081, Precondition, "the node is ready, but a pod does not run on it";
    SECRET_OPEN = 1082, Precondition, "others can read a file with a secret";
    HANDOVER = 1083, Precondition, "the program of the node cannot be started";
    NODE_DISK = 1085, CouldNotCheck, "a disk of the node fails";
    GPU_MISSING = 1090, Precondition, "the node has no NVIDIA GPU, or the bundle nothing for it";
    GPU_NOUVEAU = 1091, Precondition, "the driver nouveau is in the way of the NVIDIA driver";
    GPU_MODULE_MISSING = 1092, Precondition, "there is no module of the NVIDIA driver for the running kernel";
    GPU_SECURE_BOOT = 1093, Precondition, "Secure Boot refuses the modules of the NVIDIA driver";
    GPU_DRIVER = 1094, Precondition, "the NVIDIA driver is loaded and does not work, or its parts have different versions";
    GPU_FABRIC_MANAGER = 1095, Precondition, "NVIDIA Fabric Manager is missing or has another version than the driver";

    INVENTORY_SYNTAX = 1100, BadInput, "an Ansible inventory is not well-formed";
    INVENTORY_NOT_UNDERSTOOD = 1101, BadInput, "an Ansible inventory says something that airlock cannot do";
    INVENTORY_ROLE = 1102, BadInput, "a host of an inventory has no role, or several that exclude each other";
    INVENTORY_TWICE = 1103, BadInput, "two hosts of an inventory are the same";
    INVENTORY_NO_SERVER = 1104, BadInput, "an inventory has no server";
    INVENTORY_NETWORK = 1105, BadInput, "addresses and networks of an inventory contradict each other";
    INVENTORY_FORMAT = 1106, BadInput, "the inventory is in a format that airlock does not read";
    REMOTE_COMMAND = 1120, Precondition, "a command on a host has failed and told no error";
    REMOTE_ANSWER = 1121, Precondition, "the answer of a host cannot be understood";
    SSH_MISSING = 1122, Precondition, "OpenSSH is not installed on this machine";
    HOST_UNREACHABLE = 1123, Upstream, "a host does not answer, or refuses the connection";
    HOST_NAME_UNKNOWN = 1124, Upstream, "the name of a host is not known here";
    HOST_KEY_UNKNOWN = 1125, Untrusted, "nobody has said that a host key is the right one";
    HOST_KEY_CHANGED = 1126, Untrusted, "a host shows another key than the one that is known";
    LOGIN_REFUSED = 1127, Precondition, "a host refuses the login";
    IDENTITY_UNUSABLE = 1128, Precondition, "a private key for SSH cannot be used";
    JUMP_FAILED = 1129, Upstream, "the way to a host leads through another one that does not let us through";
    REMOTE_SHELL = 1130, Precondition, "a host lets us in, but runs no commands for us";
    SSH_FAILED = 1131, Precondition, "OpenSSH cannot connect, for a reason of its configuration";
    HOST_PROGRAM = 1132, Precondition, "the program cannot be brought to a host";
    SUDO_PASSWORD = 1133, Precondition, "sudo on a host wants a password, or another one";
    SUDO_REFUSED = 1134, Precondition, "sudo on a host is missing or refuses";
    HOST_LOST = 1135, Upstream, "the connection to a host is gone";
    REMOTE_DEADLINE = 1136, Precondition, "a command on a host has not ended in time";
    AGENT_REQUEST = 1137, BadInput, "what the agent on a host reads is no request";
    CONNECTION_WORD = 1138, BadInput, "a host, user, port or path of the inventory cannot be given to OpenSSH";
    CLOCK_DIFFERS = 1139, Precondition, "the clock of a host differs from ours";
    VIRTUAL_ADDRESS = 1140, Precondition, "the node cannot hold the virtual address";
    VIRTUAL_ADDRESS_TAKEN = 1141, Precondition, "another machine has the virtual address";
    NOT_CARRIED = 1142, BadInput, "the bundle lacks what a setting of the node needs";
    FOREIGN_CONFIGURATION = 1143, Precondition, "a service of the node is configured by somebody else";
    CONFIGURATION_REFUSED = 1144, Precondition, "a service of the node refuses its configuration";
    NFS_MOUNT = 1145, Precondition, "a network file system cannot be mounted";
    NOT_ALIVE = 1146, Precondition, "the API of Kubernetes does not answer on the node";
    RECEIVE_FORMAT = 1150, BadInput, "what a node receives is no bundle as `airlock cluster` sends it";
    RECEIVE_CUT = 1151, Upstream, "a bundle that is sent to a node has not arrived completely";
    RECEIVE_CHANGED = 1152, Busy, "a store has changed since it was asked what it lacks";
    FLEET_PARTIAL = 1160, Partial, "something was done on some hosts and has failed on others";
    CLUSTER_BLOCKED = 1161, Precondition, "the hosts cannot become a cluster as they are";
    HOST_RESTART = 1162, Precondition, "a host has to be restarted before it goes on";
    HOST_NOT_BACK = 1163, Precondition, "a host has not come back after its restart";
    CLUSTER_UNHEALTHY = 1164, Precondition, "the servers of the cluster do not work, and nothing is added to it";
    NOT_A_SERVER = 1165, Precondition, "the machine runs no server of a cluster";
    PORT_UNREACHED = 1166, Precondition, "a port of another machine is not reached";
    CLUSTERS_DIFFER = 1167, Precondition, "hosts of one inventory belong to different clusters";
    HOST_WAITS = 1168, Precondition, "nothing was done on a host because of another one";

    CLUSTER_UNREACHABLE = 1180, Upstream, "no server of the cluster answers";
    NOT_A_MEMBER = 1181, Usage, "a node that is named is not in the inventory, or not in the cluster";
    QUORUM = 1182, Precondition, "etcd would lose its quorum, or has lost it";
    DRAIN_REFUSED = 1183, Precondition, "pods keep a node from being drained";
    CLUSTER_CONSENT = 1184, Usage, "nobody has agreed to what would be done to the cluster";
    UPGRADE_PATH = 1185, Precondition, "k3s cannot go from the version of the cluster to that of the bundle";
    UPGRADE_OLDER = 1186, Rollback, "the k3s of the bundle is older than that of the cluster";
    ETCD_REFUSED = 1187, Precondition, "etcd does not let a member go";
    CLUSTER_DEADLINE = 1188, Precondition, "something in the cluster did not happen in time";
    SNAPSHOT_UNKNOWN = 1189, Usage, "no server has the snapshot that is named";
    CLUSTER_PROBLEMS = 1190, Partial, "something is wrong in the cluster";
    NO_ETCD = 1191, Precondition, "the cluster does not keep its data in etcd";
    KUBECONFIG = 1192, Precondition, "the kubeconfig of the cluster cannot be had";
    LABEL_REFUSED = 1193, Usage, "a label or taint cannot be set in this way";
    LAST_SERVER = 1194, Precondition, "without its last server the cluster would be gone";
    DATASTORE_RESET = 1195, Precondition, "k3s could not reset or restore its datastore";
    REPAIR_IMPOSSIBLE = 1196, Precondition, "a node cannot be repaired as things are";
    NOT_REACHED = 1197, Upstream, "a host cannot be reached, and something is still to be done there";
    WRONG_HOST = 1198, Precondition, "the machine at the address of a host is another node";
}
