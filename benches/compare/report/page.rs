//! A page of which a part is written by the machine, between two marks, and the rest by people.

pub(crate) const BEGIN: &str = "<!-- results: written by `just bench`, don't edit -->";
pub(crate) const END: &str = "<!-- end of results -->";

/// The page with another part between the marks.
///
/// # Errors
/// When the marks aren't there, each once and in this order.
pub(crate) fn replaced(page: &str, results: &str) -> Result<String, String> {
    let only = |mark: &str| match page.matches(mark).count() {
        1 => Ok(page.find(mark).unwrap_or_default()),
        count => Err(format!("the page has the mark {mark} {count} times and not once")),
    };
    let (begin, end) = (only(BEGIN)? + BEGIN.len(), only(END)?);
    if begin > end {
        return Err("the page's marks are in the wrong order".to_owned());
    }
    Ok(format!("{}\n\n{}\n\n{}", &page[..begin], results.trim(), &page[end..]))
}
