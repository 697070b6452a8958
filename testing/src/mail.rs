//! Mails, as a development instance writes them into files.

/// A mail, as a development instance writes it into a file.
#[derive(Clone, Debug)]
pub struct Mail {
    /// What it is about.
    pub kind: String,
    /// The address.
    pub to: String,
    /// All of it, without the line breaks that only its transport needs.
    pub text: String,
}

impl Mail {
    pub(crate) fn read(file: &std::path::Path) -> Self {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(file).unwrap().replace("=\r\n", "");
        let to = text.lines().find_map(|line| line.strip_prefix("To: ")).unwrap();
        // An id is 41 characters.
        Self { kind: name[42..].to_owned(), to: to.to_owned(), text }
    }

    /// What its link carries.
    pub fn token(&self) -> String {
        let start =
            self.text.find("pco_").unwrap_or_else(|| panic!("the mail has no link: {}", self.text));
        self.text[start..start + 47].to_owned()
    }
}
