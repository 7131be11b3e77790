//! Datagrams written by hand: no codec of ours stands between the client and the standard.

use super::*;

fn sent(client: &mut Client<MemoryStore>) -> Vec<u8> {
    let mut buffer = [0; 1_500];
    let (link, length) = client.poll_transmit(&mut buffer).expect("a datagram");
    assert_eq!(link, open_link());
    buffer[..length].to_vec()
}

/// Token length and message id differ per seed; everything else is fixed.
fn split(datagram: &[u8]) -> (u8, u8, Vec<u8>, Vec<u8>) {
    let length = usize::from(datagram[0] & 0x0F);
    let (head, rest) = datagram.split_at(4 + length);
    (head[0] & 0xF0, head[1], head[2..].to_vec(), rest.to_vec())
}

#[test]
fn registers_reads_and_updates_byte_for_byte() {
    let mut client =
        Client::new(open_config(), MemoryStore::default(), [1; 32], OpenRequest(0), Instant::ZERO);
    client.handle_timeout(Instant::ZERO);
    let (kind, code, identity, rest) = split(&sent(&mut client));
    assert_eq!((kind, code), (0x40, 0x02), "a confirmable POST");
    let mut expected = b"\xB2rd".to_vec();
    expected.extend(b"\x11\x28");
    expected.extend(b"\x39ep=node-1\x06lt=300\x09lwm2m=1.0\x03b=U\xFF");
    expected.extend(b"</>;rt=\"oma.lwm2m\";ct=11542,</1/0>,</3/0>,</4/0>,</5/0>");
    assert_eq!(rest, expected);

    // 2.01, Location-Path "rd", "7".
    let mut created = [&[0x60 | (identity.len() as u8 - 2), 0x41][..], &identity].concat();
    created.extend(b"\x82rd\x017");
    client.handle_input(open_link(), &created, Instant::from_secs(1));
    assert_eq!(client.poll_event(), Some(Event::Registered { server: 1 }));

    // GET /3/0/3, message id 0x1234, token 0x4A: piggy-backed 2.05, text.
    client.handle_input(open_link(), b"\x41\x01\x12\x34\x4A\xB13\x010\x013", Instant::from_secs(2));
    assert_eq!(sent(&mut client), b"\x61\x45\x12\x34\x4A\xC0\xFF1.0");
    // GET /5/0 with Accept 11542: TLV.
    client.handle_input(open_link(), b"\x41\x01\x12\x35\x4A\xB15\x010\x62\x2D\x16", Instant::from_secs(2));
    let expected = b"\x61\x45\x12\x35\x4A\xC2\x2D\x16\xFF\xC0\x01\xC1\x03\x00\xC1\x05\x00\x86\x08\x41\x00\x00\x41\x01\x01\xC1\x09\x02";
    assert_eq!(sent(&mut client), expected);
    // The same message again: the same answer, nothing done twice.
    client.handle_input(open_link(), b"\x41\x01\x12\x35\x4A\xB15\x010\x62\x2D\x16", Instant::from_secs(3));
    assert_eq!(sent(&mut client), expected);

    // 207 s after the registration, which is 93 s before its end: POST /rd/7 without anything.
    client.handle_timeout(Instant::from_millis(207_999));
    assert_eq!(client.poll_transmit(&mut [0; 1_500]), None);
    client.handle_timeout(Instant::from_secs(208));
    let (kind, code, _, rest) = split(&sent(&mut client));
    assert_eq!((kind, code, &rest[..]), (0x40, 0x02, &b"\xB2rd\x017"[..]));
}

#[test]
fn no_bytes_make_it_panic() {
    let mut client =
        Client::new(open_config(), MemoryStore::default(), [1; 32], OpenRequest(0), Instant::ZERO);
    let mut random = Random::from_number(9);
    let starts: [&[u8]; 6] = [
        b"",
        b"\x41\x01\x12\x34\x4A",
        b"\x40\x03\x12\x34\xB15\x010\x011",
        b"\x40\x03\x12\x34\xB15\x010\x010\xD1\x03\x08",
        b"\x40\x02\x12\x34\xB11\x010\x12\x2D\x16\xFF",
        b"\x60\x45\x12\x34\xFF",
    ];
    for number in 0..20_000_u64 {
        let mut bytes = starts[(number % 6) as usize].to_vec();
        let mut tail = [0; 24];
        random.fill(&mut tail);
        bytes.extend(&tail[..random.below(24) as usize]);
        if bytes.len() > 3 {
            // Another message each time, or all but the first are copies.
            bytes[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        }
        client.handle_input(open_link(), &bytes, Instant::from_millis(number * 10));
        while client.poll_transmit(&mut [0; 1_500]).is_some() {}
        while client.poll_event().is_some() {}
    }
}
