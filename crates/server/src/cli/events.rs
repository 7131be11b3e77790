//! Reads a stream of server-sent events.

use std::io::{self, BufRead, BufReader, Read};

/// One event (HTML Living Standard section 9.2).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StreamEvent {
    pub id: String,
    pub name: String,
    pub data: String,
}

/// Longest line that is believed; an event of ours is a few hundred bytes.
const LONGEST_LINE: u64 = 64 << 10;

/// The events of a stream.
pub struct Events<R> {
    lines: BufReader<R>,
}

impl<R: Read> Events<R> {
    pub fn new(stream: R) -> Self {
        Self { lines: BufReader::new(stream) }
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or what comes is no stream of events.
    pub fn next(&mut self) -> io::Result<Option<StreamEvent>> {
        let mut event = StreamEvent::default();
        loop {
            let mut line = String::new();
            if (&mut self.lines).take(LONGEST_LINE).read_line(&mut line)? == 0 {
                return Ok(None);
            }
            if !line.ends_with('\n') {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                if event != StreamEvent::default() {
                    return Ok(Some(event));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => value.clone_into(&mut event.id),
                "event" => value.clone_into(&mut event.name),
                "data" => {
                    if !event.data.is_empty() {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                }
                // Comments keep the connection alive; other fields are for browsers.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<StreamEvent> {
        let mut events = Events::new(text.as_bytes());
        std::iter::from_fn(|| events.next().unwrap_or_default()).collect()
    }

    #[test]
    fn reads_events_and_skips_comments() {
        let events =
            read("id: 1\nevent: stage\ndata: {}\n\n: alive\n\nevent:progress\r\ndata:a\r\ndata: b\r\n\r\n");
        assert_eq!(events.len(), 2);
        assert_eq!(
            events[0],
            StreamEvent { id: "1".to_owned(), name: "stage".to_owned(), data: "{}".to_owned() }
        );
        assert_eq!(events[1].data, "a\nb");
    }

    #[test]
    fn an_event_that_was_cut_off_does_not_count() {
        assert_eq!(read("event: stage\ndata: {}\n"), []);
        let endless = "x".repeat(100_000);
        assert!(Events::new(endless.as_bytes()).next().is_err());
    }
}
