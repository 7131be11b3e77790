//! The one list of what can be set.

/// One setting that can be made.
#[derive(Debug)]
pub struct Key {
    /// Dotted name, as in the file.
    pub name: &'static str,
    /// The value if nothing is set; empty means unset.
    pub default: &'static str,
    /// What it does, for the template.
    pub description: &'static str,
}

const fn key(name: &'static str, default: &'static str, description: &'static str) -> Key {
    Key { name, default, description }
}

/// All keys, in the order of the template.
pub const KEYS: &[Key] = &[
    key(
        "data_dir",
        "updraft-data",
        "Folder for the database, the images and the key file. Created if missing.",
    ),
    key(
        "database.url",
        "",
        "A database in a PostgreSQL server, such as postgres://updraft@db.example.org/updraft. Without it the\n\
         database is a file in data_dir (SQLite), which suits one machine.",
    ),
    key(
        "database.password_file",
        "",
        "A file whose first line is the password for database.url, readable by this user only.",
    ),
    key("http.bind", "127.0.0.1:8080", "Where the REST API listens. Port 0 lets the system choose."),
    key(
        "http.allow_remote_without_sign_in",
        "false",
        "This version has no user accounts: whoever reaches the API rules it. It therefore listens on\n\
         addresses of this machine only, unless this is true (for example behind a proxy that signs in).",
    ),
    key(
        "lwm2m.coaps_bind",
        "0.0.0.0:5684",
        "Where devices connect over DTLS (coaps). A list of addresses, or \"off\". 0.0.0.0 is all IPv4\n\
         addresses, [::] all IPv6 ones.",
    ),
    key(
        "lwm2m.coap_bind",
        "off",
        "Where devices connect without encryption (coap). Only devices added with security \"none\" may,\n\
         which their product must allow.",
    ),
    key(
        "lwm2m.public_host",
        "",
        "The name or address under which devices reach this server; stands in the download addresses of\n\
         upgrades by PULL. Needed for those unless the address to listen on is a single one.",
    ),
    key("lwm2m.shards", "0", "Threads that serve devices, 1 to 64; 0 means one for each processor."),
    key(
        "lwm2m.awake",
        "93s",
        "How long a device in queue mode listens after its last message. Shorter for devices that fall\n\
         asleep sooner, such as those in the Power Saving Mode of NB-IoT.",
    ),
    key(
        "lwm2m.object_models",
        "",
        "A folder with object definitions in OMA's XML (files *.xml), read at the start and by\n\
         `updraft object-model reload`. Files that cannot be used are told in the log and left out.",
    ),
    key(
        "bootstrap.coaps_bind",
        "0.0.0.0:5694",
        "Where devices come to be bootstrapped over DTLS: they are told which management servers they have\n\
         and get fresh keys for them. A list of addresses, or \"off\".",
    ),
    key(
        "bootstrap.coap_bind",
        "off",
        "Where devices are bootstrapped without encryption, such as 0.0.0.0:5693. Whoever listens reads the\n\
         keys that they are given, so only devices added with --bootstrap-no-security are.",
    ),
    key(
        "files.https_bind",
        "off",
        "Where devices download images over HTTPS, such as 0.0.0.0:8443; off unless set, since devices\n\
         that speak CoAP need no other port.",
    ),
    key(
        "files.http_bind",
        "off",
        "Where devices download images over plain HTTP, such as 0.0.0.0:8081. Whoever listens can read\n\
         them, so a device gets such an address only if it offers nothing better, or if told.",
    ),
    key(
        "files.certificate",
        "",
        "The certificate for HTTPS: a chain in PEM, the server's own first. Without it the server makes\n\
         one; `updraft files certificate` prints what devices have to trust.",
    ),
    key("files.private_key", "", "The private key of files.certificate, in PEM."),
    key(
        "upgrade.timeout",
        "auto",
        "How long a device may take to get the image, unless the upgrade is started with another value.\n\
         \"auto\" reckons it from the size and from how fast the device was before.",
    ),
    key("upgrade.reach_timeout", "1d", "How long an upgrade waits for a device that is not there."),
    key(
        "upgrade.return_timeout",
        "35m",
        "How long a device may stay away after it was told to install, before it counts as lost.",
    ),
    key("packages.max_size", "64 MiB", "The largest package that can be uploaded."),
    key(
        "packages.storage_limit",
        "0",
        "The most that all packages together may take on disk; 0 means no limit.",
    ),
    key(
        "packages.reserve",
        "512 MiB",
        "Disk space that uploads leave free so that the database can always be written. On small disks\n\
         5 % of the disk is enough.",
    ),
    key(
        "packages.store",
        "folder",
        "Where the files of packages are kept: \"folder\" is the one named images in data_dir;\n\
         s3://bucket/prefix is a bucket of Amazon S3 or of another store that speaks its protocol.",
    ),
    key(
        "packages.s3_endpoint",
        "",
        "Where that other store is, such as https://minio.example.org:9000; its buckets are addressed by path.",
    ),
    key("packages.s3_region", "", "The region of the bucket. Default: the variable AWS_REGION."),
    key(
        "packages.s3_access_key_id",
        "",
        "Who the server is for the bucket. Default: the usual variables (AWS_ACCESS_KEY_ID and so on), or\n\
         what the machine is given by its cloud.",
    ),
    key(
        "packages.s3_secret_access_key_file",
        "",
        "The file with the secret that belongs to packages.s3_access_key_id.",
    ),
    key(
        "secrets.key_file",
        "",
        "The file with the key that encrypts device keys. Without it they cannot be read: keep a copy in a\n\
         safe place, apart from backups of data_dir. Default: key-encryption.key in data_dir.",
    ),
    key("log.format", "text", "How log lines look on standard error: \"text\" or \"json\"."),
    key(
        "log.filter",
        "info",
        "What is logged: error, warn, info, debug or trace, also by part: info,server=debug.",
    ),
];
