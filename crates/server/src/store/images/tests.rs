use super::*;

fn limits() -> Limits {
    Limits { max_size: ByteCount(100), storage: Some(ByteCount(150)), reserve: ByteCount(0) }
}

async fn open(folder: &Path) -> Images {
    Images::open(folder, &PackageStore::Folder, limits()).await.unwrap()
}

async fn store(images: &Images, bytes: &[u8]) -> Result<ImageHash, ImageError> {
    let mut incoming = images.receive(None).await?;
    for piece in bytes.chunks(7) {
        incoming.write(piece)?;
    }
    incoming.keep().await
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn what_was_kept_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let images = open(folder.path()).await;
    let hash = store(&images, b"machine code").await.unwrap();
    assert_eq!(images.read(hash, ByteCount(12)).await.unwrap(), b"machine code");
    assert_eq!(store(&images, b"machine code").await.unwrap(), hash, "the same content is one file");
    assert_eq!(files(&folder.path().join("images")), 1);
}

#[tokio::test]
async fn sec_u05_files_on_their_way_are_for_this_user_only_and_never_replace_another() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let images = open(folder.path()).await;
    let mut incoming = images.receive(None).await.unwrap();
    incoming.write(b"half").unwrap();
    let place = folder.path().join("incoming");
    let file = fs::read_dir(&place).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let kept = incoming.keep().await.unwrap();
    let file = folder.path().join("images").join(kept.to_string());
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(files(&place), 0);
}

#[tokio::test]
async fn f22_a_damaged_or_missing_file_is_never_served() {
    let folder = tempfile::tempdir().unwrap();
    let images = open(folder.path()).await;
    let hash = store(&images, b"machine code").await.unwrap();
    let stamp = images.stamp(hash).await.unwrap();
    assert_eq!(images.verify(hash).await.unwrap(), ByteCount(12));
    assert_eq!(images.all().await.unwrap(), [(hash, ByteCount(12))]);
    assert_eq!(images.stamp(hash).await.unwrap(), stamp);
    let file = folder.path().join("images").join(hash.to_string());
    for damaged in [&b"machine c0de"[..], b"machine code ", b"", &[0; 101]] {
        fs::write(&file, damaged).unwrap();
        assert!(matches!(images.read(hash, ByteCount(12)).await, Err(ImageError::Damaged)));
        assert!(matches!(images.verify(hash).await, Err(ImageError::Damaged)));
    }
    assert_ne!(images.stamp(hash).await.unwrap(), stamp);
    fs::remove_file(&file).unwrap();
    assert!(matches!(images.read(hash, ByteCount(12)).await, Err(ImageError::Missing)));
    assert!(matches!(images.stamp(hash).await, Err(ImageError::Missing)));
}

#[tokio::test]
async fn f21_limits_stop_an_upload_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let images = open(folder.path()).await;
    let announced = images.receive(Some(ByteCount(101))).await;
    assert!(matches!(announced, Err(ImageError::TooLarge(ByteCount(100)))));
    assert!(matches!(store(&images, &[0; 101]).await, Err(ImageError::TooLarge(_))));
    store(&images, &[1; 100]).await.unwrap();
    assert!(matches!(store(&images, &[2; 51]).await, Err(ImageError::StorageLimit(ByteCount(150)))));
    store(&images, &[2; 50]).await.unwrap();
    assert_eq!(files(&folder.path().join("incoming")), 0);
}

#[tokio::test]
async fn what_was_uploaded_is_read_also_when_less_may_be_uploaded_now() {
    let folder = tempfile::tempdir().unwrap();
    let hash = store(&open(folder.path()).await, &[1; 100]).await.unwrap();
    let limits = Limits { max_size: ByteCount(99), storage: None, reserve: ByteCount(0) };
    let images = Images::open(folder.path(), &PackageStore::Folder, limits).await.unwrap();
    assert_eq!(images.read(hash, ByteCount(100)).await.unwrap(), [1; 100]);
    assert!(matches!(images.read(hash, ByteCount(99)).await, Err(ImageError::Damaged)));
}

#[tokio::test]
async fn leftovers_are_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let images = open(folder.path()).await;
    let (kept, orphan) = (store(&images, b"kept").await.unwrap(), store(&images, b"orphan").await.unwrap());
    fs::write(folder.path().join("incoming/half"), b"half").unwrap();
    let images = open(folder.path()).await;
    images.remove_unreferenced(&BTreeSet::from([kept])).await.unwrap();
    assert_eq!(files(&folder.path().join("incoming")), 0);
    assert!(images.read(kept, ByteCount(4)).await.is_ok());
    assert!(matches!(images.read(orphan, ByteCount(6)).await, Err(ImageError::Missing)));
    assert_eq!(files(&folder.path().join("images")), 1);
}
