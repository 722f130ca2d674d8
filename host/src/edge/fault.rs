//! Ways in which a head may mean two things.

/// What is wrong with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    BothLengths = 1,
    LengthTwice,
    Length,
    Coding,
    LineEnd,
    Chunk,
}

impl Fault {
    const ALL: [Fault; 6] = [
        Fault::BothLengths,
        Fault::LengthTwice,
        Fault::Length,
        Fault::Coding,
        Fault::LineEnd,
        Fault::Chunk,
    ];

    pub(crate) fn from_number(number: u8) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| *fault as u8 == number)
    }

    /// For the client.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Fault::BothLengths => "a request has Content-Length or Transfer-Encoding, not both",
            Fault::LengthTwice => "a request has one Content-Length",
            Fault::Length => "Content-Length is a number of bytes, in decimal digits",
            Fault::Coding => "Transfer-Encoding is chunked and nothing else",
            Fault::LineEnd => "the lines of a head and of trailers end with CR LF",
            Fault::Chunk => "the chunks of a body cannot be told apart",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_survive_as_numbers() {
        for fault in Fault::ALL {
            assert_eq!(Fault::from_number(fault as u8), Some(fault));
        }
        assert_eq!(Fault::from_number(0), None);
    }
}
