use coap::ContentFormat;

use super::*;
use crate::format::{self, Record};
use crate::model::ObjectModel;
use crate::path::Path;
use crate::value::Value;

fn pair() -> Pair {
    Pair::registered(open_config(), MemoryStore::default())
}

fn paths(texts: &[&str]) -> Vec<Path> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn fetch(texts: &[&str]) -> Request {
    let mut body = Vec::new();
    format::encode_paths(format::SENML_CBOR, &paths(texts), &mut body).unwrap();
    Request::fetch("/").content(ContentFormat(format::SENML_CBOR), body)
}

fn records(response: &Response) -> Vec<Record> {
    let format = response.options.content_format().unwrap().0;
    format::decode_records(format, Path::Root, &response.payload, &ObjectModel::CORE).unwrap()
}

fn patch(records: &[(&str, Value)]) -> Request {
    let records: Vec<_> =
        records.iter().map(|(path, value)| Record::new(path.parse().unwrap(), value.clone())).collect();
    let mut body = Vec::new();
    format::encode_records(format::SENML_ETCH_CBOR, &records, &mut body).unwrap();
    Request::new(Code::IPATCH, "/").content(ContentFormat(format::SENML_ETCH_CBOR), body)
}

#[test]
fn ets_229_several_places_are_read_at_once_and_what_is_missing_is_left_out() {
    let mut pair = pair();
    let answer = pair.ask(fetch(&["/3/0/16", "/3/0/11/0", "/1/0/1", "/1/0/8", "/9/0/0"]));
    assert_eq!(answer.code, Code::CONTENT);
    let found: Vec<_> = records(&answer).into_iter().map(|record| record.path).collect();
    assert_eq!(found, paths(&["/3/0/16", "/3/0/11/0", "/1/0/1"]));
}

#[test]
fn ets_230_several_places_are_written_or_none() {
    let mut pair = pair();
    let good = patch(&[("/1/0/2", Value::Integer(7)), ("/3/0/15", "Asia/Tokyo".into())]);
    assert_eq!(pair.ask(good).code, Code::CHANGED);
    assert_eq!(text(&pair.ask(Request::get("/3/0/15"))), "Asia/Tokyo");
    let bad = patch(&[("/1/0/2", Value::Integer(9)), ("/3/0/0", "Somebody else".into())]);
    assert_eq!(pair.ask(bad).code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(text(&pair.ask(Request::get("/1/0/2"))), "7");
}

#[test]
fn ets_304_several_places_are_observed_together() {
    let mut pair = pair();
    let (link, now) = (pair.link, pair.now);
    pair.server.observe(link, fetch(&["/4/0/2", "/5/0/3"]), now);
    pair.exchange();
    let first = pair.answered.pop_front().unwrap().unwrap();
    assert_eq!(first.options.observe(), Some(1));
    pair.client.set_radio(Radio { signal_strength: -60, ..Radio::default() }, pair.now);
    pair.pass(Duration::ZERO);
    let told = records(&pair.notified.pop_front().unwrap());
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].value, Some(Value::Integer(-60)));
}

#[test]
fn ets_231_every_format_gives_the_same_values() {
    let mut pair = pair();
    let model = &ObjectModel::CORE;
    let instance = Path::instance(3, 0);
    let node = |answer: &Response| {
        format::decode(answer.options.content_format().unwrap().0, instance, &answer.payload, model).unwrap()
    };
    let expected = node(&pair.ask(Request::get("/3/0").accept(ContentFormat::LWM2M_TLV)));
    for format in [format::SENML_JSON, format::SENML_CBOR, format::LWM2M_JSON, format::LWM2M_CBOR] {
        let answer = pair.ask(Request::get("/3/0").accept(ContentFormat(format)));
        assert_eq!(answer.code, Code::CONTENT, "{format}");
        assert_eq!(node(&answer), expected, "{format}");
    }
}
