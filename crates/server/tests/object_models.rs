//! Objects that operators bring along: from files and over the API, in force for devices at once.

mod process;

use std::collections::VecDeque;
use std::fs;
use std::net::UdpSocket;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use coap::{Code, ContentFormat, Endpoint, Event, Request, Response};
use lwm2m::format::{LWM2M_TLV, TEXT_PLAIN};
use machine::Instant;
use process::Server;
use serde_json::{Value, json};

const ENDPOINT: &str = "urn:dev:tank";
const XML: (&str, &str) = ("content-type", "application/xml");

/// Object 30000 with a level, a label and an order.
fn tank(version: &str, kind: &str) -> String {
    let item = |id: u16, name: &str, can: &str, kind: &str, more: &str| {
        format!(
            "<Item ID=\"{id}\"><Name>{name}</Name><Operations>{can}</Operations>\
             <MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory>\
             <Type>{kind}</Type>{more}</Item>"
        )
    };
    let items = [
        item(1, "Level", "R", kind, "<Units>l</Units>"),
        item(2, "Limit", "RW", "Integer", "<RangeEnumeration>0..100</RangeEnumeration>"),
        item(3, "Empty", "E", "", ""),
    ];
    format!(
        "<LWM2M>\n<Object><Name>Tank</Name><ObjectID>30000</ObjectID><ObjectVersion>{version}</ObjectVersion>\
         <MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory>\
         <Resources>{}</Resources></Object></LWM2M>",
        items.concat()
    )
}

#[test]
fn an_object_that_is_added_names_types_and_checks_what_a_device_has() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&folder.path().join("data"), &["lwm2m.coap_bind=127.0.0.1:0"]);
    server.json(&["device", "add", ENDPOINT, "--no-security", "--product", server.lab_product()]);
    let device = Device::register(&server, "</3/0>,</30000>;ver=1.0,</30000/0>");
    // Nobody knows the object: the values are bytes without names, and any text is sent.
    let read = &server.json(&["device", "read", ENDPOINT, "/30000/0"])["answer"]["values"];
    assert_eq!(read[0], json!({"path": "/30000/0/1", "kind": "opaque", "value": "Kg=="}));
    server.json(&["device", "write", ENDPOINT, "/30000/0/2", "much"]);
    assert_eq!(device.written(), "much");

    let file = folder.path().join("tank.xml");
    fs::write(&file, tank("1.0", "Integer")).unwrap();
    let added = server.json(&["object-model", "add", file.to_str().unwrap()]);
    assert_eq!((&added[0]["name"], &added[0]["source"]), (&json!("Tank"), &json!("uploaded")));
    let read = &server.json(&["device", "read", ENDPOINT, "/30000/0"])["answer"]["values"];
    assert_eq!(read[0], json!({"path": "/30000/0/1", "name": "Level", "kind": "integer", "value": 42}));
    assert_eq!(read[1]["name"], "Limit");
    server.json(&["device", "write", ENDPOINT, "/30000/0/2", "77"]);
    assert_eq!(device.written(), "77");
    for (arguments, reason) in [
        (&["write", ENDPOINT, "/30000/0/2", "much"][..], "/30000/0/2: \"much\" is not an integer"),
        (&["write", ENDPOINT, "/30000/0/2", "101"], "/30000/0/2: \"Limit\" takes 0..100"),
        (&["write", ENDPOINT, "/30000/0/1", "1"], "/30000/0/1: \"Level\" can only be read"),
        (&["read", ENDPOINT, "/30000/0/3"], "/30000/0/3: \"Empty\" is a command; execute it"),
        (&["execute", ENDPOINT, "/30000/0/2"], "/30000/0/2: \"Limit\" can be read and written, not executed"),
    ] {
        let told = server.fails(1, &[&["device"], arguments].concat());
        assert!(told.contains(reason), "{arguments:?}: {told}");
    }
    // A newer version is for devices that have it.
    let (status, _) =
        server.request("POST", "/api/v1/object-models", &[XML], tank("1.1", "Float").as_bytes());
    assert_eq!(status, 201);
    let read = &server.json(&["device", "read", ENDPOINT, "/30000/0/1"])["answer"]["values"];
    assert_eq!(read[0]["kind"], "integer");
    device.stop();
    let device = Device::register(&server, "</3/0>,</30000>;ver=1.1,</30000/0>");
    let read = &server.json(&["device", "read", ENDPOINT, "/30000/0/1"])["answer"]["values"];
    assert_eq!(read[0], json!({"path": "/30000/0/1", "name": "Level", "kind": "float", "value": 42.0}));
    device.stop();
}

#[test]
fn objects_are_listed_shown_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let list = server.json(&["object-model", "list"]);
    let numbers: Vec<u64> =
        list.as_array().unwrap().iter().filter_map(|one| one["object"].as_u64()).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 16, 19, 21, 33_629]);
    assert!(list.as_array().unwrap().iter().all(|one| one["source"] == "built-in"));
    let page = server.request("GET", "/api/v1/object-models?limit=10", &[], b"").1;
    let next = page["next"].as_str().unwrap();
    let rest = server.request("GET", &format!("/api/v1/object-models?limit=10&cursor={next}"), &[], b"").1;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (5, &Value::Null));
    let device = &server.json(&["object-model", "show", "3"])[0];
    let level = json!({
        "resource": 9, "name": "Battery Level", "kind": "integer", "operations": "R", "multiple": false,
        "mandatory": false, "range": "0..100", "unit": "/100", "description": "Charge of the battery."
    });
    let found = device["resources"].as_array().unwrap().iter().find(|one| one["resource"] == 9).unwrap();
    assert_eq!(found["name"], level["name"]);
    assert_eq!(found["range"], level["range"]);
    server.fails(1, &["object-model", "show", "30000"]);

    let file = folder.path().join("tank.xml");
    fs::write(&file, tank("1.0", "Integer")).unwrap();
    let file = file.to_str().unwrap();
    server.json(&["object-model", "add", file]);
    // Killed, so that only what was durable is there.
    server.kill();
    let server = Server::start(&data);
    assert_eq!(server.json(&["object-model", "show", "30000"])[0]["version"], "1.0");
    fs::write(file, tank("1.0", "Float")).unwrap();
    let told = server.fails(1, &["object-model", "add", file]);
    assert!(told.contains("exists and says something else"), "{told}");
    server.json(&["object-model", "add", file, "--replace"]);
    let text = server.run(&["object-model", "show", "30000"]);
    assert!(process::text(&text.stdout).contains("Level"), "{}", process::text(&text.stdout));
    server.run(&["object-model", "remove", "30000", "1.0"]);
    server.fails(1, &["object-model", "remove", "30000", "1.0"]);
    server.fails(1, &["object-model", "remove", "3", "1.2"]);
}

#[test]
fn sec_u04_what_is_no_definition_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        server.request("POST", "/api/v1/object-models", headers, body)
    };
    let good = tank("1.0", "Integer");
    let secret = folder.path().join("secret");
    fs::write(&secret, "TOP SECRET").unwrap();
    let entity = format!(
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"file://{}\">]>{}",
        secret.display(),
        good.replace("Tank", "&e;")
    );
    let built_in = good.replace("30000", "5");
    for (status, headers, body, reason) in [
        (422, XML, b"no xml".as_slice(), "line 1"),
        (422, XML, good.replace("Integer", "Complex").as_bytes(), "line 2: <Type> takes"),
        (422, XML, entity.as_bytes(), "document type"),
        (409, XML, built_in.as_bytes(), "object 5 (Firmware Update) is built in"),
        (413, XML, &[b' '; 300_000], "262144"),
        (415, ("content-type", "text/plain"), good.as_bytes(), "application/xml"),
    ] {
        let (answered, problem) = post(&[headers], body);
        assert_eq!(answered, status, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(reason) && !problem.to_string().contains("SECRET"), "{problem}");
    }
    assert_eq!(server.json(&["object-model", "list"]).as_array().unwrap().len(), 15);
}

#[test]
fn a_folder_is_read_at_the_start_and_again_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    fs::create_dir(&models).unwrap();
    fs::write(models.join("tank.xml"), tank("1.0", "Integer")).unwrap();
    fs::write(models.join("bad.xml"), "<LWM2M>\n<Object>\n</LWM2M>").unwrap();
    let setting = format!("lwm2m.object_models={}", models.display());
    let server = Server::start_with(&folder.path().join("data"), &[&setting]);
    let shown = server.json(&["object-model", "show", "30000"]);
    assert_eq!((&shown[0]["source"], &shown[0]["file"]), (&json!("folder"), &json!("tank.xml")));
    fs::write(models.join("tank.xml"), tank("2.0", "Integer")).unwrap();
    let read = server.json(&["object-model", "reload"]);
    assert_eq!((&read["objects"], &read["faults"][0]["file"]), (&json!(1), &json!("bad.xml")));
    assert!(read["faults"][0]["reason"].as_str().unwrap().starts_with("line "), "{read}");
    assert_eq!(server.json(&["object-model", "show", "30000"])[0]["version"], "2.0");
    let told = server.fails(1, &["object-model", "remove", "30000", "2.0"]);
    assert!(told.contains("tank.xml"), "{told}");
    let (_, log) = server.stop();
    assert!(log.contains("bad.xml") && log.contains("left out"), "{log}");
}

/// A device that has object 30000: 42 in resource 1, and what was written last in resource 2.
struct Device {
    stop: Sender<()>,
    written: Receiver<String>,
    thread: JoinHandle<()>,
}

impl Device {
    fn register(server: &Server, links: &str) -> Self {
        let address = server.ports["coap"][0].as_str().expect("it listens").to_owned();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect(address).expect("an address");
        socket.set_read_timeout(Some(Duration::from_millis(10))).expect("above zero");
        let register =
            Request::post("/rd").query(&format!("ep={ENDPOINT}")).query("lt=300").query("lwm2m=1.1");
        let register = register.content(ContentFormat::LINK_FORMAT, links);
        let (stop, stopped) = channel();
        let (tell, written) = channel();
        let (registered, is_registered) = channel();
        let thread =
            std::thread::spawn(move || Script::new(socket, tell, registered).run(register, &stopped));
        is_registered.recv_timeout(Duration::from_secs(20)).expect("it is registered");
        Self { stop, written, thread }
    }

    fn written(&self) -> String {
        self.written.recv_timeout(Duration::from_secs(20)).expect("something was written")
    }

    fn stop(self) {
        let _ = self.stop.send(());
        self.thread.join().expect("it does not panic");
    }
}

struct Script {
    socket: UdpSocket,
    coap: Endpoint<u8>,
    clock: net::Clock,
    tell: Sender<String>,
    registered: Sender<()>,
}

impl Script {
    fn new(socket: UdpSocket, tell: Sender<String>, registered: Sender<()>) -> Self {
        let config = coap::Config { amplification: None, ..coap::Config::default() };
        let (coap, clock) = (Endpoint::new(config, [7; 32]), net::Clock::start());
        Self { socket, coap, clock, tell, registered }
    }

    fn run(mut self, register: Request, stopped: &Receiver<()>) {
        use machine::Machine as _;
        self.coap.request(0, register, self.clock.now());
        let mut buffer = [0; 1_500];
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            let now = self.clock.now();
            self.coap.handle_timeout(now);
            self.answer(now);
            while let Some((_, length)) = self.coap.poll_transmit(&mut buffer) {
                self.socket.send(&buffer[..length]).expect("the server is there");
            }
            if let Ok(length) = self.socket.recv(&mut buffer) {
                self.coap.handle_input(0, &buffer[..length], now);
            }
        }
    }

    fn answer(&mut self, now: Instant) {
        use machine::Machine as _;
        let mut events = VecDeque::new();
        while let Some(event) = self.coap.poll_event() {
            events.push_back(event);
        }
        for event in events {
            match event {
                Event::Response { response, .. } => {
                    assert_eq!(response.code, Code::CREATED);
                    let _ = self.registered.send(());
                }
                Event::Request { id, request, .. } => {
                    let response = self.carry_out(&request);
                    self.coap.respond(id, response, now);
                }
                _ => {}
            }
        }
    }

    fn carry_out(&self, request: &Request) -> Response {
        let content =
            |format, bytes: &[u8]| Response::new(Code::CONTENT).content(ContentFormat(format), bytes);
        match (request.method, &*request.options.path_string()) {
            (Code::GET, "/30000/0") => content(LWM2M_TLV, &[0xC1, 1, 42, 0xC1, 2, 7]),
            (Code::GET, "/30000/0/1") => content(TEXT_PLAIN, b"42"),
            (Code::PUT, "/30000/0/2")
                if request.options.content_format() == Some(ContentFormat(LWM2M_TLV)) =>
            {
                let _ = self.tell.send(String::from_utf8_lossy(&request.payload[3..]).into_owned());
                Response::new(Code::CHANGED)
            }
            (Code::PUT, "/30000/0/2") => {
                let _ = self.tell.send(String::from_utf8_lossy(&request.payload).into_owned());
                Response::new(Code::CHANGED)
            }
            _ => Response::new(Code::NOT_FOUND),
        }
    }
}
