//! Going on after an error.

use super::Parser;
use crate::syntax::{Span, Token};

impl Parser<'_, '_, '_> {
    /// Whether the token at hand starts a function at the left edge, as gofmt writes them: `func` and a space, which a
    /// closure does not have. Inside a body this means that a closing brace is missing.
    #[inline]
    pub(super) fn at_declaration(&self) -> bool {
        self.token == Token::Func && self.is_at_edge() && {
            let source = self.scanner.source();
            let after = source.get(self.span.end as usize);
            after == Some(&b' ')
        }
    }

    /// Whether the token at hand is the first byte of its line.
    fn is_at_edge(&self) -> bool {
        let before = (self.span.start as usize).checked_sub(1);
        before.is_none_or(|before| self.scanner.source().get(before) == Some(&b'\n'))
    }

    /// Takes what is left of a statement or member: up to the end of the line or a semicolon, which is taken too, or up to
    /// a brace that closes what is around. Blocks on the way are taken whole. Takes at least one token if nothing was taken
    /// since `before` was at hand and the token at hand closes nothing.
    #[cold]
    pub(super) fn skip_line(&mut self, before: Span) {
        let mut depth = 0_u32;
        let mut is_stuck = self.span == before;
        while self.token != Token::End && !self.at_declaration() {
            match self.token {
                Token::Semicolon if depth == 0 => {
                    self.next();
                    return;
                }
                Token::RightBrace if depth == 0 && !is_stuck => return,
                Token::LeftBrace => depth += 1,
                Token::RightBrace => depth = depth.saturating_sub(1),
                Token::Case | Token::Default if depth == 0 && !is_stuck => return,
                _ => {}
            }
            self.next();
            is_stuck = false;
        }
    }

    /// Takes what closes a list, or complains and looks for it.
    #[inline]
    pub(super) fn close(&mut self, close: Token, wanted: &'static str) {
        if !self.take(close) {
            self.expected(wanted);
            self.skip_to_close(close);
        }
    }

    /// Takes what is left of a list and what closes it. Stops before a brace that closes what is around, and at the end of
    /// the line unless the list is one of lines.
    #[cold]
    fn skip_to_close(&mut self, close: Token) {
        let mut depth = 0_u32;
        while self.token != Token::End && !self.at_declaration() {
            match self.token {
                token if token == close && depth == 0 => {
                    self.next();
                    return;
                }
                Token::RightBrace if depth == 0 => return,
                Token::Semicolon if depth == 0 && close != Token::RightBrace => return,
                Token::LeftParen | Token::LeftBracket | Token::LeftBrace => depth += 1,
                Token::RightParen | Token::RightBracket | Token::RightBrace => {
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
            self.next();
        }
    }

    /// Goes to the next declaration: a keyword that starts one, at the left edge or behind a semicolon.
    #[cold]
    pub(super) fn skip_to_declaration(&mut self) {
        let mut is_after_semicolon = false;
        while self.token != Token::End {
            let starts = matches!(
                self.token,
                Token::Func | Token::Type | Token::Var | Token::Const | Token::Import
            );
            if starts && (is_after_semicolon || self.is_at_edge()) {
                return;
            }
            is_after_semicolon = self.token == Token::Semicolon;
            self.next();
        }
    }
}
