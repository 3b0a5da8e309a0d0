//! What holds of every tree, sound or not: for property tests and fuzzing.

use super::ast::Node;
use super::{Bodies, File, Interner, MAX_ERRORS, Span, dump, parse};

/// Nodes that a byte of source can make: in `(` a parenthesis and a bad expression inside, an expression statement around.
const NODES_PER_BYTE: usize = 8;

/// Reads a source as a whole, and with its bodies later, and checks both trees. The error tells what does not hold.
pub fn verify_source(source: &[u8], interner: &mut Interner<'_>) -> Result<(), String> {
    let whole = parse(source.to_vec(), interner, Bodies::Parse);
    verify(&whole)?;
    let mut later = parse(source.to_vec(), interner, Bodies::Skip);
    verify(&later)?;
    let functions: Vec<_> = later.ast.functions().map(|(id, _)| id).collect();
    for function in functions {
        later.parse_body(function, interner);
    }
    verify(&later)?;
    // Where braces do not match, the two may go on at different places.
    if whole.errors.is_empty() && dump::dump(&whole) != dump::dump(&later) {
        return Err("bodies read later give another tree".to_owned());
    }
    Ok(())
}

/// Checks that all spans lie in the file, children in their parents and one behind the other, no node has two parents, and
/// nodes and errors are bounded.
pub fn verify(file: &File) -> Result<(), String> {
    let source = file.source();
    let whole = Span::new(0, u32::try_from(source.len()).unwrap_or(u32::MAX));
    let mut after = 0;
    for decl in &file.decls {
        let span = file.ast[*decl].span;
        if span.start < after {
            return Err(format!(
                "declaration {decl:?} starts before the one above it ends"
            ));
        }
        after = span.end;
        verify_below(file, Node::Decl(*decl), whole)?;
    }
    let walked: usize = file
        .decls
        .iter()
        .map(|decl| file.ast.walk(Node::Decl(*decl)).count())
        .sum();
    if walked > (source.len() + 1) * NODES_PER_BYTE {
        return Err(format!("{walked} nodes of {} bytes", source.len()));
    }
    if file.errors.len() > MAX_ERRORS || !file.errors.is_sorted_by_key(|error| error.span) {
        return Err(format!("{} errors, or not in order", file.errors.len()));
    }
    for error in &file.errors {
        inside(whole, error.span, || "an error".to_owned())?;
    }
    let mut after = 0;
    for comment in &file.comments {
        inside(whole, comment.span, || "a comment".to_owned())?;
        if comment.span.start < after {
            return Err(format!("comments overlap at {after}"));
        }
        after = comment.span.end;
    }
    Ok(())
}

fn verify_below(file: &File, root: Node, whole: Span) -> Result<(), String> {
    inside(whole, file.ast.span(root), || "a declaration".to_owned())?;
    let mut children = Vec::new();
    for (_, node) in file.ast.walk(root) {
        let span = file.ast.span(node);
        children.clear();
        file.ast.children(node, &mut children);
        let mut after = span.start;
        for child in &children {
            let inner = file.ast.span(*child);
            let what = || format!("{child:?} in {node:?}");
            inside(span, inner, what)?;
            // A function's signature starts before its receiver and name, with `func`.
            let in_order = inner.start >= after || matches!(node, Node::Function(_));
            if !in_order {
                return Err(format!(
                    "{}: starts at {} before {after}",
                    what(),
                    inner.start
                ));
            }
            after = inner.end;
            // What has a lower number cannot be around: no cycles, and so one walk ends.
            let is_above = match (node, *child) {
                (Node::Expr(parent), Node::Expr(child)) => child < parent,
                (Node::Stmt(parent), Node::Stmt(child)) => child < parent,
                _ => true,
            };
            if !is_above {
                return Err(format!("{}: numbered after its parent", what()));
            }
        }
    }
    Ok(())
}

fn inside(outer: Span, inner: Span, what: impl Fn() -> String) -> Result<(), String> {
    if inner.start <= inner.end && outer.contains(inner) {
        return Ok(());
    }
    Err(format!("{}: {inner:?} reaches out of {outer:?}", what()))
}
