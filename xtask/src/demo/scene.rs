//! The server, the module and the files of the demo.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::After;
use super::children::Background;
use crate::tools::{Build, program, target, workspace};
use xtask::Failure;

/// Everything that the demo runs on.
#[derive(Debug)]
pub struct Scene {
    folder: PathBuf,
    imei: &'static str,
    after: After,
    updraft: OsString,
    vmodule: OsString,
    server: Option<Background>,
    module: Option<Background>,
    /// Where the REST interface is.
    url: String,
    /// Where devices connect.
    coaps: String,
}

/// Who moves the bytes of the image.
#[derive(Clone, Copy, Debug)]
pub enum Delivery {
    Pull,
    Push,
}

/// Real machine code, so that size and entropy are those of firmware.
const PAYLOAD_BYTES: &str = "262144";
/// Past the headers of our own program, well inside its code; two places give two images.
const FACTORY_SKIP: &str = "1000000";
const NEWER_SKIP: &str = "1300000";
/// One datagram in a hundred is lost in each direction.
const LOSS: &str = "0.01";
/// The profile of the product that the module is, below the workspace.
const PROFILE: &str = "docs/examples/tracker.json";
/// The manufacturer and the product as that profile names them.
const MANUFACTURER: &str = "SEQUANS Communications";
const PRODUCT: &str = "SEQUANS Communications/GM01Q";
/// The product wants a package to be approved by somebody else than its uploader.
const SUPPLIER: &str = "supplier";
const OPERATOR: &str = "operator";

impl Scene {
    /// A fresh folder for everything.
    pub fn new(imei: &'static str, after: After) -> Result<Self, Failure> {
        let folder = target().join("demo");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::new(format!("empty {}", folder.display()), error));
            }
            _ => {}
        }
        fs::create_dir_all(&folder)
            .map_err(|error| Failure::new(format!("create {}", folder.display()), error))?;
        Ok(Self {
            folder,
            imei,
            after,
            updraft: program("updraft", Build::Release)?,
            vmodule: program("vmodule", Build::Release)?,
            server: None,
            module: None,
            url: String::new(),
            coaps: String::new(),
        })
    }

    fn endpoint(&self) -> String {
        format!("urn:imei:{}", self.imei)
    }

    /// An image with code cut from `vmodule` itself.
    pub fn make_image(&self, name: &str, version: &str) -> Result<PathBuf, Failure> {
        let image = self.folder.join(format!("{name}.bin"));
        let skip = if name == "newer" { NEWER_SKIP } else { FACTORY_SKIP };
        let mut command = Command::new(&self.vmodule);
        command.args(["image", "create", "--model", "GM01Q", "--version", version]);
        command.arg("--payload").arg(&self.vmodule).arg("--output").arg(&image);
        command.args(["--payload-skip", skip, "--payload-take", PAYLOAD_BYTES]);
        run(&format!("make the image {name}"), &mut command)?;
        Ok(image)
    }

    pub fn start_server(&mut self) -> Result<(), Failure> {
        let ports = self.folder.join("ports.json");
        let mut command = Command::new(&self.updraft);
        command.arg("serve").arg("--ports-file").arg(&ports);
        command.env("UPDRAFT_DATA_DIR", self.folder.join("data"));
        // Free ports, so that the demo runs beside whatever this machine does already.
        command.env("UPDRAFT_HTTP__BIND", "127.0.0.1:0").env("UPDRAFT_LWM2M__COAPS_BIND", "127.0.0.1:0");
        command.env("UPDRAFT_BOOTSTRAP__COAPS_BIND", "off");
        let mut server = Background::start("updraft", &mut command, &self.folder, self.after)?;
        let text = server.wait_for("the server to be ready", |_| fs::read_to_string(&ports).ok())?;
        let address =
            |name| address_of(&text, name).ok_or_else(|| Failure::new("read the ports of the server", &text));
        self.url = format!("http://{}", address("http")?);
        self.coaps = format!("coaps://{}", address("coaps")?);
        self.server = Some(server);
        println!("REST API and its description: {}/docs   devices: {}", self.url, self.coaps);
        Ok(())
    }

    pub fn import_product(&self) -> Result<(), Failure> {
        let mut import = self.command_line(&["product", "import"]);
        run("import the product", import.arg(workspace().join(PROFILE)))
    }

    /// Makes the manufacturer's key pair, which needs no server, and has the server trust its public half.
    pub fn make_signing_key(&self) -> Result<(), Failure> {
        let passphrase = output("make a passphrase", Command::new(&self.updraft).args(["psk", "generate"]))?;
        let file = self.file("passphrase");
        write_secret(&file, passphrase.trim())
            .map_err(|error| Failure::new(format!("write {}", file.display()), error))?;
        let mut generate = Command::new(&self.updraft);
        generate.args(["sign", "keygen", "--private"]).arg(self.file("private.pem"));
        generate.arg("--public").arg(self.file("public.pem")).arg("--passphrase-file").arg(file);
        run("make a key pair", &mut generate)?;
        let mut add = self.command_line(&["signing-key", "add", "--manufacturer", MANUFACTURER]);
        run("have the server trust the public key", add.arg(self.file("public.pem")))
    }

    /// Makes a key with `updraft psk generate` and adds the device with it.
    pub fn add_device(&self) -> Result<(), Failure> {
        let key = output("make a key", Command::new(&self.updraft).args(["psk", "generate"]))?;
        write_secret(&self.key_file(), key.trim())
            .map_err(|error| Failure::new(format!("write {}", self.key_file().display()), error))?;
        let endpoint = self.endpoint();
        let mut command = self.command_line(&["device", "add", &endpoint, "--identity", &endpoint]);
        command.args(["--name", "demo module", "--product", PRODUCT, "--key-file"]).arg(self.key_file());
        run("add the device", &mut command)
    }

    pub fn start_module(&mut self, factory: &Path) -> Result<(), Failure> {
        let flash = self.folder.join("flash.bin");
        let mut command = Command::new(&self.vmodule);
        command.args(["flash", "init", "--file"]).arg(&flash).arg("--image").arg(factory);
        run("make the module's flash", &mut command)?;
        let mut command = Command::new(&self.vmodule);
        command.args(["run", "--kind", "ryz014", "--imei", self.imei, "--server", &self.coaps]);
        command.args(["--loss", LOSS, "--boot-time", "1", "--flash"]).arg(&flash);
        command.arg("--key-file").arg(self.key_file());
        let mut module = Background::start("vmodule", &mut command, &self.folder, self.after)?;
        module.wait_for("the module to register", |log| log.contains("registered").then_some(()))?;
        self.module = Some(module);
        Ok(())
    }

    pub fn show_device(&self) -> Result<(), Failure> {
        run("show the device", &mut self.command_line(&["device", "show", &self.endpoint()]))
    }

    /// Signs an image offline, uploads it as its supplier and approves it as the operator.
    pub fn release(&self, name: &str, image: &Path) -> Result<(), Failure> {
        let mut sign = Command::new(&self.updraft);
        sign.args(["sign", "sign"]).arg(image).arg("--private").arg(self.file("private.pem"));
        sign.arg("--passphrase-file").arg(self.file("passphrase"));
        run(&format!("sign the image {name}"), &mut sign)?;
        let signed = self.file(&format!("{name}_signed.zip"));
        let mut upload = self.command_line(&["--json", "--as", SUPPLIER, "package", "upload"]);
        upload.args(["--name", name, "--product", PRODUCT]).arg(&signed);
        let uploaded = output(&format!("upload the package {name}"), &mut upload)?;
        let member =
            |name| text_of(&uploaded, name).ok_or_else(|| Failure::new("read what was uploaded", &uploaded));
        let mut approve = self.command_line(&["--as", OPERATOR, "package", "approve", member("id")?]);
        approve.args(["--sha256", member("sha256")?, "--manifest-sha256", member("manifest_sha256")?]);
        run(&format!("approve the package {name}"), &mut approve)
    }

    /// Upgrades and follows it to its end; gives the id of the upgrade.
    pub fn upgrade(&self, package: &str, delivery: Delivery) -> Result<String, Failure> {
        let delivery = match delivery {
            Delivery::Pull => "pull",
            Delivery::Push => "push",
        };
        let endpoint = self.endpoint();
        let mut start =
            self.command_line(&["--json", "upgrade", "start", &endpoint, package, "--delivery", delivery]);
        let started = output(&format!("start the upgrade by {delivery}"), &mut start)?;
        let id = text_of(&started, "id").ok_or_else(|| Failure::new("read the upgrade's id", &started))?;
        let mut watch = self.command_line(&["upgrade", "watch", id]);
        run(&format!("upgrade by {delivery}"), &mut watch)?;
        Ok(id.to_owned())
    }

    pub fn report(&self, upgrade: &str) -> Result<(), Failure> {
        run("show what happened", &mut self.command_line(&["upgrade", "show", upgrade]))
    }

    /// Lets server and module run on.
    pub fn keep(&mut self) {
        let processes = [&mut self.server, &mut self.module].map(|process| process.as_mut()?.keep());
        let processes: Vec<String> = processes.iter().flatten().map(ToString::to_string).collect();
        println!("\nServer and module go on. To look around:");
        println!("  export UPDRAFT_URL={}", self.url);
        println!("  {} device list", Path::new(&self.updraft).display());
        println!("Files and logs: {}", self.folder.display());
        println!("To end them: kill {}", processes.join(" "));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn key_file(&self) -> PathBuf {
        self.file("device.key")
    }

    fn command_line<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.updraft);
        command.env("UPDRAFT_URL", &self.url).args(arguments);
        command
    }
}

/// Runs a program whose output the reader of the demo sees.
fn run(step: &str, command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| Failure::new(step, error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(step, format!("it ended with {status}"))) }
}

fn output(step: &str, command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| Failure::new(step, error))?;
    if !output.status.success() {
        return Err(Failure::new(step, format!("it ended with {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|error| Failure::new(step, error))
}

/// A file that only its owner reads.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")
}

/// The text value of the first member with this name in JSON that our own programs wrote.
fn text_of<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{name}\""))?;
    rest.split('"').nth(1)
}

/// As [`text_of`], also where the value is a list of texts.
fn address_of<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    text_of(json, name).filter(|address| address.contains(':'))
}
