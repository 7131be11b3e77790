//! Who does something.

use super::text::is_line;

/// The name of whoever asks. Until there are accounts it is what they say: declared, not proved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor(String);

/// Why a text is no name of an actor.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the name of who acts has 1 to {LONGEST} bytes and no control characters")]
pub struct BadActor;

const LONGEST: usize = 64;

impl Actor {
    /// Checks a name.
    ///
    /// # Errors
    /// It is empty, too long, or has control characters.
    pub fn new(name: &str) -> Result<Self, BadActor> {
        if is_line(name, 1..=LONGEST) { Ok(Self(name.to_owned())) } else { Err(BadActor) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Actor {
    /// Whoever does not say it.
    fn default() -> Self {
        Self("operator".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_actors_have_bounds() {
        for (name, good) in
            [("anna", true), ("Änne", true), ("", false), ("a\nb", false), (&*"x".repeat(65), false)]
        {
            assert_eq!(Actor::new(name).is_ok(), good, "{name:?}");
        }
        assert_eq!(Actor::default().as_str(), "operator");
    }
}
