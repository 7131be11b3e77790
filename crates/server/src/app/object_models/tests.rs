use lwm2m::path::Path as Place;
use lwm2m::value::Kind;

use super::*;
use crate::app::tests::start_in;
use crate::store::scratch::{Scratch, on_both_engines};

const TANK: ObjectId = ObjectId(30_000);
const FIRST: ObjectVersion = ObjectVersion::FIRST;
const LEVEL: Place = Place::resource(30_000, 0, 1);

fn xml(object: u16, version: &str, kind: &str) -> String {
    format!(
        "<Object><Name>Tank</Name><ObjectID>{object}</ObjectID><ObjectVersion>{version}</ObjectVersion>\
         <MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory><Resources>\
         <Item ID=\"1\"><Name>Level</Name><Operations>RW</Operations>\
         <MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory><Type>{kind}</Type>\
         <RangeEnumeration>0..9</RangeEnumeration></Item></Resources></Object>"
    )
}

fn file(objects: &[String]) -> Vec<u8> {
    format!("<LWM2M>{}</LWM2M>", objects.concat()).into_bytes()
}

fn tank(kind: &str) -> Vec<u8> {
    file(&[xml(30_000, "1.0", kind)])
}

fn loaded(app: &App) -> Vec<(u16, String, Source)> {
    let known = app.object_models().into_iter();
    known
        .filter(|known| known.source != Source::BuiltIn)
        .map(|known| (known.definition.id.0, known.definition.version.to_string(), known.source))
        .collect()
}

on_both_engines!(what_is_added_is_in_force_at_once_and_after_a_restart);
async fn what_is_added_is_in_force_at_once_and_after_a_restart(scratch: Scratch) {
    let (app, mut orders, store) = start_in(&scratch).await;
    assert_eq!(app.model().kind_at(LEVEL), None);
    let added = app.add_object_models(&tank("Integer"), false).await.unwrap();
    assert_eq!(&*added[0].definition.name, "Tank");
    assert_eq!(app.model().kind_at(LEVEL), Some(Kind::Integer));
    assert!(matches!(orders.try_recv(), Ok(Order::ModelChanged)));
    drop((app, orders));
    store.close().await;
    let (app, _orders, store) = start_in(&scratch).await;
    assert_eq!(app.model().kind_at(LEVEL), Some(Kind::Integer));
    app.remove_object_model(TANK, FIRST).await.unwrap();
    assert_eq!(app.model(), ObjectModel::CORE);
    store.close().await;
    let (app, ..) = start_in(&scratch).await;
    assert_eq!(app.model(), ObjectModel::CORE);
}

on_both_engines!(the_same_again_changes_nothing_and_another_text_must_be_meant);
async fn the_same_again_changes_nothing_and_another_text_must_be_meant(scratch: Scratch) {
    let (app, ..) = start_in(&scratch).await;
    app.add_object_models(&tank("Integer"), false).await.unwrap();
    app.add_object_models(&tank("Integer"), false).await.unwrap();
    let error = app.add_object_models(&tank("Float"), false).await.unwrap_err();
    assert_eq!(error.to_string(), "object 30000 in version 1.0 exists and says something else");
    assert_eq!(app.model().kind_at(LEVEL), Some(Kind::Integer));
    app.add_object_models(&tank("Float"), true).await.unwrap();
    assert_eq!(app.model().kind_at(LEVEL), Some(Kind::Float));
    assert_eq!(loaded(&app).len(), 1);
    // Another version stands beside it, and the newest counts for devices that have told nothing.
    app.add_object_models(&file(&[xml(30_000, "1.1", "String")]), false).await.unwrap();
    assert_eq!(app.model().kind_at(LEVEL), Some(Kind::String));
    assert_eq!(loaded(&app).len(), 2);
}

on_both_engines!(a_built_in_object_stays_and_nothing_else_of_the_file_is_taken);
async fn a_built_in_object_stays_and_nothing_else_of_the_file_is_taken(scratch: Scratch) {
    let (app, ..) = start_in(&scratch).await;
    let both = file(&[xml(30_000, "1.0", "Integer"), xml(5, "1.9", "Integer")]);
    for replace in [false, true] {
        let error = app.add_object_models(&both, replace).await.unwrap_err();
        assert_eq!(error.to_string(), "object 5 (Firmware Update) is built in and stays as it is");
    }
    assert_eq!(app.model(), ObjectModel::CORE);
    let (firmware, version) = (ObjectId(5), ObjectModel::CORE.object(ObjectId(5)).unwrap().version);
    let remove = |object, version| app.remove_object_model(object, version);
    assert_eq!(remove(firmware, version).await.unwrap_err().to_string(), "object 5 is built in");
    assert!(matches!(remove(TANK, FIRST).await, Err(RemoveObjectModelError::Unknown(..))));
    let error = app.add_object_models(b"<LWM2M>", false).await.unwrap_err();
    assert!(error.to_string().starts_with("the file is no object definition: line 1: "), "{error}");
}

#[tokio::test]
async fn a_folder_is_read_as_far_as_it_can_be_and_the_rest_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(models.join(name), bytes).unwrap();
    put("1.xml", &tank("Integer"));
    put("2.XML", &file(&[xml(30_001, "1.0", "Integer"), xml(3, "1.0", "Integer")]));
    put("3.xml", b"<LWM2M>\n<Object/></LWM2M>");
    put("4.xml", &tank("Float"));
    put("5.xml", &[b' '; ddf::MOST_BYTES + 1]);
    put("readme.txt", b"no definition");
    std::fs::create_dir(models.join("6.xml")).unwrap();
    let contents = Contents::read(&models);
    let found: Vec<_> = contents.definitions.values().map(|(found, file)| (found.id.0, &**file)).collect();
    assert_eq!(found, [(30_000, "1.xml"), (30_001, "2.XML")]);
    let told: Vec<_> = contents.faults.iter().map(|fault| (&*fault.file, &*fault.reason)).collect();
    assert_eq!(
        told,
        [
            ("2.XML", "object 3 (Tank) is built in and stays as it is"),
            ("3.xml", "line 2: <ObjectID> is missing"),
            ("4.xml", "object 30000 in version 1.0 is in 1.xml already"),
            ("5.xml", "line 1: the file has more than 262144 bytes"),
        ]
    );
    let missing = Contents::read(&folder.path().join("nowhere"));
    assert!(missing.faults[0].reason.starts_with("the folder cannot be read: "), "{missing:?}");
}

on_both_engines!(what_is_added_goes_before_the_folder_until_it_is_removed);
async fn what_is_added_goes_before_the_folder_until_it_is_removed(scratch: Scratch) {
    let (app, ..) = start_in(&scratch).await;
    let definition = ddf::read(&tank("Integer")).unwrap().remove(0);
    app.inner.object_models.change(|known| {
        known.in_folder.insert(key(&definition), (definition, "tank.xml".to_owned()));
    });
    let in_folder = Source::Folder { file: "tank.xml".to_owned() };
    assert_eq!(loaded(&app), [(30_000, "1.0".to_owned(), in_folder.clone())]);
    let error = app.remove_object_model(TANK, FIRST).await.unwrap_err();
    assert_eq!(error.to_string(), "the definition comes from the file tank.xml of the folder");
    app.add_object_models(&tank("Float"), true).await.unwrap();
    assert_eq!(app.model().kind_at(LEVEL), Some(Kind::Float));
    app.remove_object_model(TANK, FIRST).await.unwrap();
    assert_eq!(app.model().kind_at(LEVEL), Some(Kind::Integer));
    assert_eq!(loaded(&app), [(30_000, "1.0".to_owned(), in_folder)]);
}
