//! A foreign dissector reads each content format that we write, and finds our values in it.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path as FilePath;

use coap::{Code, Encoder, Kind, MessageId, OptionNumber, Token};
use e2e::{Conditions, Relay, Tshark};
use lwm2m::format::{self, Record};
use lwm2m::path::{InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId};
use lwm2m::value::{Node, Resource, Value};

const DEVICE: Path = Path::instance(3, 0);

/// A device with a value of each type that object 3 knows, and some of other types.
fn device() -> Node {
    let one = |id, value| (ResourceId(id), Resource::Single(value));
    let voltages = [(0, 3_800), (1, 5_000)];
    let voltages = voltages.map(|(id, number)| (ResourceInstanceId(id), Value::Integer(number)));
    let link = Value::ObjectLink(ObjectId(66), InstanceId(0));
    Node::Instance(
        [
            one(0, Value::from("Updraft \"virtual\" m\u{f6}dule")),
            (ResourceId(7), Resource::Multiple(voltages.into())),
            one(9, Value::Integer(-93)),
            one(13, Value::Time(1_367_491_215)),
            (ResourceId(22), Resource::Multiple([(ResourceInstanceId(0), link)].into())),
            one(100, Value::Float(-1.5)),
            one(101, Value::Float(0.1)),
            one(102, Value::Boolean(true)),
            one(103, Value::Opaque([0, 0xFB, 0xEF].into())),
            one(104, Value::Unsigned(u64::MAX)),
        ]
        .into(),
    )
}

fn body(format: u16, path: Path, node: &Node) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::encode(format, path, node, &mut bytes).expect("the format carries it");
    bytes
}

/// `PUT` or another method on a path, as a message of its own.
fn message(id: u16, method: Code, path: &str, content_format: u16, payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; 2_048];
    let token = Token::new(&id.to_be_bytes()).expect("two bytes fit");
    let mut encoder = Encoder::new(&mut buffer, Kind::NonConfirmable, method, MessageId(id), token);
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        encoder.option(OptionNumber::URI_PATH, segment.as_bytes());
    }
    encoder.option_uint(OptionNumber::CONTENT_FORMAT, content_format.into());
    let length = encoder.payload(payload).finish().expect("it fits");
    buffer.truncate(length);
    buffer
}

/// Sends the messages through a relay that captures them, and opens the capture.
fn captured(messages: &[Vec<u8>], capture: &FilePath) -> Tshark {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = UdpSocket::bind(loopback).expect("a port is free");
    let device = UdpSocket::bind(loopback).expect("a port is free");
    let to = server.local_addr().expect("it is bound");
    let relay = Relay::start(to, Conditions::PERFECT, 1, Some(capture)).expect("ports are free");
    for message in messages {
        device.send_to(message, relay.address()).expect("loopback takes it");
        server.recv_from(&mut [0; 2_048]).expect("it arrives");
    }
    relay.finish().expect("the disk has room");
    Tshark::new(capture).coap(to.port())
}

/// The messages of a test and what Wireshark shows of them.
struct Judge {
    tshark: Tshark,
    _folder: tempfile::TempDir,
}

impl Judge {
    fn of(messages: &[Vec<u8>]) -> Self {
        let folder = tempfile::tempdir().expect("the disk has room");
        let tshark = captured(messages, &folder.path().join("formats.pcap"));
        tshark.check().expect("nothing is malformed");
        let complaints = tshark.lines("_ws.expert || data").expect("tshark knows the filter");
        assert_eq!(complaints, [""; 0], "no complaint of any severity, and nothing left undissected");
        Self { tshark, _folder: folder }
    }

    /// The values of these fields, message by message.
    fn shown(&self, fields: &[&str]) -> Vec<Vec<String>> {
        self.tshark.fields("coap", fields).expect("tshark knows the fields")
    }
}

const NAMES: &str = "/3/0/,0,Updraft \"virtual\" m\u{f6}dule,7/0,7/1,9,13,22/0";

#[test]
fn json_is_dissected_and_shows_our_values() {
    let node = device();
    let judge = Judge::of(&[
        message(1, Code::PUT, "/3/0", format::SENML_JSON, &body(format::SENML_JSON, DEVICE, &node)),
        message(2, Code::PUT, "/3/0", format::LWM2M_JSON, &body(format::LWM2M_JSON, DEVICE, &node)),
    ]);
    let fields = ["frame.protocols", "json.value.number", "json.value.string", "json.key"];
    let messages = judge.shown(&fields);
    for message in &messages {
        assert!(message[0].ends_with("coap:json"), "{}", message[0]);
        assert_eq!(message[1], "3800,5000,-93,1367491215,-1.5,0.1,18446744073709551615");
        assert_eq!(message[2], format!("{NAMES},66:0,100,101,102,103,APvv,104"));
    }
    assert_eq!(messages[0][3], "bn,n,vs,n,v,n,v,n,v,n,v,n,vlo,n,v,n,v,n,vb,n,vd,n,v");
    assert_eq!(messages[1][3], "bn,n,sv,n,v,n,v,n,v,n,v,n,ov,n,v,n,v,n,bv,n,sv,n,v,e");
}

#[test]
fn cbor_is_dissected_and_shows_our_values() {
    let node = device();
    let time = body(format::CBOR, Path::resource(3, 0, 13), &Node::single(Value::Time(1_367_491_215)));
    let judge = Judge::of(&[
        message(1, Code::PUT, "/3/0", format::SENML_CBOR, &body(format::SENML_CBOR, DEVICE, &node)),
        // This Wireshark does not know 11544, but what the format is made of.
        message(2, Code::PUT, "/3/0", format::CBOR, &body(format::LWM2M_CBOR, DEVICE, &node)),
        message(3, Code::PUT, "/3/0/13", format::CBOR, &time),
    ]);
    let kinds = ["uint", "nint", "textstring", "float32", "float64", "bytestring", "simple_data", "tag"];
    let fields = kinds.map(|kind| format!("cbor.type.{kind}"));
    let messages = judge.shown(&fields.each_ref().map(String::as_str));
    for message in &messages[..2] {
        assert_eq!(message[3..7], ["-1.5", "0.1", "00fbef", "21"], "21 is true");
    }
    assert_eq!(messages[0][2], format!("{NAMES},vlo,66:0,100,101,102,103,104"));
    assert!(messages[0][1].ends_with(",-93"), "after the label of the base name: {}", messages[0][1]);
    let keys = "3,0,0,7,0,3800,1,5000,9,13,1367491215,22,0,100,101,102,103,104,18446744073709551615";
    assert_eq!(messages[1][..2], [keys, "-93"]);
    assert_eq!((&*messages[2][0], &*messages[2][7]), ("1367491215", "1"));
}

#[test]
fn tlv_is_dissected_and_shows_our_values() {
    let tlv = body(format::LWM2M_TLV, DEVICE, &device());
    let judge = Judge::of(&[message(1, Code::PUT, "/3/0", format::LWM2M_TLV, &tlv)]);
    let names = ["manufacturer", "power_source_voltage", "battery_level", "current_time"];
    let fields = names.map(|name| format!("lwm2mtlv.resource.{name}"));
    let message = &judge.shown(&fields.each_ref().map(String::as_str))[0];
    assert_eq!(message[..3], ["Updraft \"virtual\" m\u{f6}dule", "3800,5000", "-93"]);
    assert!(message[3].starts_with("May  2, 2013 10:40:15"), "{}", message[3]);
}

/// Wireshark does not know the numbers of SenML-ETCH; the packs are SenML all the same.
#[test]
fn composite_requests_are_dissected() {
    let paths = [Path::object(3), Path::resource(1, 0, 7)];
    let selecting = |content_format| {
        let mut out = Vec::new();
        format::encode_paths(content_format, &paths, &mut out).expect("paths fit");
        out
    };
    let removed = [Record::place(Path::resource_instance(3, 0, 11, 1))];
    let mut removal = Vec::new();
    format::encode_records(format::SENML_ETCH_JSON, &removed, &mut removal).expect("records fit");
    let judge = Judge::of(&[
        message(1, Code::FETCH, "/", format::SENML_JSON, &selecting(format::SENML_ETCH_JSON)),
        message(2, Code::FETCH, "/", format::SENML_CBOR, &selecting(format::SENML_ETCH_CBOR)),
        message(3, Code::IPATCH, "/", format::SENML_JSON, &removal),
        message(4, Code::FETCH, "/", format::CBOR, &selecting(format::LWM2M_CBOR)),
    ]);
    let fields = ["json.value.string", "cbor.type.textstring", "json.path", "cbor.type.uint"];
    let messages = judge.shown(&fields);
    assert_eq!(messages[0][0], "/3,/1/0/7");
    assert_eq!(messages[1][1], "/3,/1/0/7");
    assert_eq!(messages[2][2], "/[]/n,/[]/v");
    assert_eq!(messages[3][3], "3,1,0,7");
}
