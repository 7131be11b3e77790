//! Long lists in pieces.

use super::problem::Problem;
use crate::api::Page;
use crate::secrets::{from_hex, hex};

/// Most entries of one page.
pub const LARGEST: u32 = 200;
const USUAL: u32 = 50;

/// How many entries were asked for.
///
/// # Errors
/// None or too many.
pub fn limit(limit: Option<u32>) -> Result<i64, Problem> {
    match limit.unwrap_or(USUAL) {
        limit @ 1..=LARGEST => Ok(i64::from(limit)),
        limit => Err(Problem::bad_value(format!("limit = {limit} is not from 1 to {LARGEST}"))),
    }
}

/// Where the page starts: the key of the last entry of the one before; empty for the first.
///
/// # Errors
/// The cursor is none of ours.
pub fn position(cursor: Option<&str>) -> Result<String, Problem> {
    let Some(cursor) = cursor else { return Ok(String::new()) };
    from_hex(cursor).and_then(|bytes| String::from_utf8(bytes).ok()).filter(|key| !key.is_empty()).ok_or_else(
        || {
            Problem::bad_value("the cursor is none that this server gave")
                .remedy("Start again without a cursor.")
        },
    )
}

/// A page of rows that were read with one more than `limit`, to know whether there are more.
pub fn page<Row, Item>(
    mut rows: Vec<Row>,
    limit: i64,
    key: impl Fn(&Row) -> String,
    show: impl Fn(Row) -> Item,
) -> Page<Item> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| hex(key(row).as_bytes()));
    Page { items: rows.into_iter().map(show).collect(), next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_one_starts() {
        let first = page(vec!["a", "b", "c"], 2, |row| (*row).to_owned(), |row| row);
        assert_eq!(first.items, ["a", "b"]);
        assert_eq!(position(first.next.as_deref()).unwrap(), "b");
        let last = page(vec!["c"], 2, |row| (*row).to_owned(), |row| row);
        assert_eq!(last.next, None);
    }

    #[test]
    fn strange_cursors_and_limits_are_refused() {
        for cursor in ["", "x", "abc", "ff"] {
            assert!(position(Some(cursor)).is_err(), "{cursor:?}");
        }
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(LARGEST + 1)).is_err());
        assert_eq!(limit(None).unwrap(), 50);
    }
}
