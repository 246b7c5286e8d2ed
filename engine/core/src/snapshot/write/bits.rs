//! A growing bitmap over rows: which have a value, or are true.

/// Marks by row.
#[derive(Debug, Default, Clone)]
pub(super) struct RowBits {
    words: Vec<u64>,
    len: usize,
    ones: usize,
}

impl RowBits {
    /// So many rows, none of them marked.
    pub(super) fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len, ones: 0 }
    }

    pub(super) fn push(&mut self, value: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        if value {
            self.words[self.len / 64] |= 1 << (self.len % 64);
            self.ones += 1;
        }
        self.len += 1;
    }

    /// Adds one row after the other; all are marked where there are no marks.
    pub(super) fn extend(&mut self, rows: usize, marks: Option<&[bool]>) {
        match marks {
            Some(marks) => self.extend_by(rows, |row| marks[row]),
            None => self.extend_by(rows, |_| true),
        }
    }

    /// Adds rows, 64 at a time.
    pub(super) fn extend_by(&mut self, rows: usize, mark: impl Fn(usize) -> bool) {
        let mut row = 0;
        while row < rows && !self.len.is_multiple_of(64) {
            self.push(mark(row));
            row += 1;
        }
        while row + 64 <= rows {
            let word = (0..64).fold(0, |word, bit| word | u64::from(mark(row + bit)) << bit);
            self.words.push(word);
            self.ones += word.count_ones() as usize;
            self.len += 64;
            row += 64;
        }
        (row..rows).for_each(|row| self.push(mark(row)));
    }

    /// Marks a row that is not marked.
    pub(super) fn set(&mut self, at: u32) {
        self.words[at as usize / 64] |= 1 << (at % 64);
        self.ones += 1;
    }

    /// Whether a row is marked.
    pub(super) fn get(&self, at: u32) -> bool {
        self.words.get(at as usize / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// The marks, 64 rows a word.
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// How many rows are marked before the first of each word.
    pub(super) fn ranks(&self) -> Ranks<'_> {
        let below = self.words.iter().scan(0, |ones, word| {
            let below = *ones;
            *ones += word.count_ones();
            Some(below)
        });
        Ranks { bits: self, below: below.collect() }
    }

    /// How many are marked.
    pub(super) fn ones(&self) -> usize {
        self.ones
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All marked?
    pub(super) fn all(&self) -> bool {
        self.ones == self.len
    }

    /// The marked rows, ascending.
    pub(super) fn iter(&self) -> Ones<'_> {
        Ones { words: &self.words, word: 0, rest: self.words.first().copied().unwrap_or(0) }
    }
}

/// Marked rows, ascending.
#[derive(Debug, Clone)]
pub(super) struct Ones<'a> {
    words: &'a [u64],
    word: usize,
    /// What is left of that word.
    rest: u64,
}

impl Ones<'_> {
    /// Appends the next rows, as many as there are of so many.
    pub(super) fn fill(&mut self, mut count: usize, rows: &mut Vec<u32>) {
        rows.reserve(count);
        while count > 0 {
            if self.rest == 0 {
                self.word += 1;
                let Some(&next) = self.words.get(self.word) else { return };
                self.rest = next;
                continue;
            }
            let first = self.word as u32 * 64;
            if self.rest == u64::MAX && count >= 64 {
                rows.extend(first..first + 64);
                (self.rest, count) = (0, count - 64);
                continue;
            }
            let some = (self.rest.count_ones() as usize).min(count);
            for _ in 0..some {
                rows.push(first + self.rest.trailing_zeros());
                self.rest &= self.rest - 1;
            }
            count -= some;
        }
    }
}

impl Iterator for Ones<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        while self.rest == 0 {
            self.word += 1;
            self.rest = *self.words.get(self.word)?;
        }
        let bit = self.rest.trailing_zeros();
        self.rest &= self.rest - 1;
        Some(self.word as u32 * 64 + bit)
    }
}

/// A bitmap that knows how many rows are marked before each one.
#[derive(Debug)]
pub(super) struct Ranks<'a> {
    bits: &'a RowBits,
    below: Vec<u32>,
}

impl Ranks<'_> {
    /// How many rows before this one are marked, if it is itself: where its value is among those of all rows that have one.
    pub(super) fn rank(&self, at: u32) -> Option<u32> {
        let (word, bit) = (at as usize / 64, at % 64);
        let bits = *self.bits.words.get(word)?;
        (bits >> bit & 1 == 1).then(|| self.below[word] + (bits & ((1 << bit) - 1)).count_ones())
    }
}
