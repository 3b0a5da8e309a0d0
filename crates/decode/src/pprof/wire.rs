//! The protobuf wire format, borrowed from the bytes: tags, varints, lengths.
//!
//! Source: "Encoding", protobuf.dev/programming-guides/encoding.

/// What is wrong with an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damage(pub(crate) &'static str);

/// One field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2: text, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Wire types 1 and 5, which the profile format does not use.
    Fixed,
}

/// The fields of one message, in order.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Bytes not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes are not read yet.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next field's number and value; `None` at the end of the message.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Damage> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = varint(&mut self.rest)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            2 => {
                let length = varint(&mut self.rest)?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Value::Bytes(self.take(length)?)
            }
            1 => self.take(8).map(|_| Value::Fixed)?,
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(Damage("a field has a wire type that does not exist")),
        };
        match tag >> 3 {
            0 => Err(Damage("a field has the number 0")),
            number => Ok(Some((number, value))),
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Damage("a field is longer than what is left"))?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Reads one varint of at most 64 bits.
#[inline(always)]
pub(crate) fn varint(rest: &mut &[u8]) -> Result<u64, Damage> {
    // Nearly all numbers of a profile have one byte or two. Which of both cannot be foreseen, so that no branch asks.
    if let [low, high, ..] = **rest {
        let second = low >> 7;
        if second & (high >> 7) == 0 {
            *rest = rest.get(1 + usize::from(second)..).unwrap_or_default();
            return Ok(u64::from(low & 0x7f) | u64::from(high * second) << 7);
        }
    }
    long_varint(rest)
}

fn long_varint(rest: &mut &[u8]) -> Result<u64, Damage> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest
            .split_first()
            .ok_or(Damage("a number is cut off at the end"))?;
        *rest = tail;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(Damage("a number has more than 64 bits"));
        }
        value |= bits << shift;
        if *byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Damage("a number has more than 64 bits"))
}

/// Calls `each` for every number of a repeated numeric field, packed or not.
#[inline]
pub(crate) fn numbers(value: Value<'_>, mut each: impl FnMut(u64)) -> Result<(), Damage> {
    match value {
        Value::Varint(number) => each(number),
        Value::Bytes(mut packed) => {
            while !packed.is_empty() {
                each(varint(&mut packed)?);
            }
        }
        Value::Fixed => return Err(Damage("a number has a fixed width")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<u64, Damage>) {
        assert_eq!(varint(&mut &*bytes), expected);
    }

    #[test]
    fn varints_are_read_up_to_64_bits_and_no_further() {
        check(&[0x05], Ok(5));
        check(&[0xac, 0x02], Ok(300));
        let mut most = [0xff; 10];
        most[9] = 0x01;
        check(&most, Ok(u64::MAX));
        most[9] = 0x02;
        check(&most, Err(Damage("a number has more than 64 bits")));
        most[9] = 0x81;
        check(&most, Err(Damage("a number has more than 64 bits")));
        check(&[0x80], Err(Damage("a number is cut off at the end")));
        check(&[], Err(Damage("a number is cut off at the end")));
    }

    #[test]
    fn a_length_past_the_end_is_damage() {
        let mut fields = Fields::new(&[0x0a, 0x05, 1, 2]);
        assert!(fields.next().is_err());
        let mut fields = Fields::new(&[0x0a, 0x02, 1, 2]);
        assert_eq!(fields.next(), Ok(Some((1, Value::Bytes(&[1, 2])))));
        assert_eq!(fields.next(), Ok(None));
    }
}
