//! Included files: which are read, what may be in them, and where their errors are shown.

use std::path::PathBuf;

use croupier::config::{Config, Registry};

/// A folder with a configuration that includes the files of `conf.d`; it is removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("croupier-include-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("conf.d")).unwrap();
        Folder(folder)
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }

    fn load(&self) -> Result<Config, String> {
        let loaded = Config::load(&self.0.join("c.toml"), &Registry::standard());
        loaded.map_err(|errors| errors.to_string().replace(&format!("{}/", self.0.display()), ""))
    }

    fn paths(&self) -> Vec<String> {
        self.load().unwrap_or_else(|errors| panic!("{errors}")).groups.into_iter().map(|group| group.path).collect()
    }

    fn errors(&self) -> String {
        self.load().expect_err("the configuration is wrong")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn group(path: &str) -> String {
    format!("[group.'{path}']\nservice = 'wheel'\noptions.family = 'mini'\n")
}

#[test]
fn groups_and_pages_are_read_in_the_order_of_the_names_of_their_files() {
    let folder = Folder::new("order");
    folder.file("c.toml", &format!("include = ['conf.d/*.toml', 'more.toml']\nlimits.depth = 7\n{}", group("/main")));
    assert!(folder.errors().contains("more.toml` cannot be read"), "a name without a pattern has to exist");
    folder.file("more.toml", "");
    assert_eq!(folder.paths(), ["/main"], "a pattern need not match anything");
    folder.file("conf.d/20.toml", &format!("# a comment\n{}", group("/b")));
    folder.file("conf.d/10.toml", &format!("{}limits.depth = 9", group("/z")));
    folder.file("conf.d/30.toml", "[page.'/p']\ngroup = '/b'\nmethod = 'spin'\ntemplate = 'own.html'\n");
    // The names in an included file start from its own folder.
    folder.file("conf.d/own.html", "{{ result }}");
    for ignored in ["conf.d/.30.toml", "conf.d/30.toml.bak", "conf.d/30.tom"] {
        folder.file(ignored, "no TOML");
    }
    assert_eq!(folder.paths(), ["/main", "/z", "/b"]);
    let config = folder.load().unwrap();
    assert_eq!(config.pages[0].path, "/p");
    let depths: Vec<usize> = config.groups.iter().map(|group| group.limits().depth).collect();
    assert_eq!(depths, [7, 9, 7], "groups inherit from the main file");
}

#[test]
fn the_hash_is_that_of_all_files() {
    let folder = Folder::new("hash");
    folder.file("c.toml", &format!("include = ['conf.d/*']\n{}", group("/main")));
    let hash = || folder.load().unwrap().hash;
    let mut hashes = vec![hash()];
    for text in [group("/a"), group("/b")] {
        folder.file("conf.d/a.toml", &text);
        hashes.push(hash());
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 3);
}

#[test]
fn a_path_in_two_files_is_reported_with_both_places() {
    let folder = Folder::new("twice");
    folder.file("c.toml", &format!("include = ['conf.d/*.toml']\n{}", group("/main")));
    folder.file("conf.d/1.toml", &format!("\n\n{}", group("/one")));
    folder.file("conf.d/2.toml", &format!("{}{}", group("/two"), group("/one")));
    folder.file("conf.d/3.toml", "[group.'/three']\naliases = ['/main']\nservice = 'diagnostics'\n");
    let errors = folder.errors();
    for part in [
        "duplicate path `/one`",
        "conf.d/2.toml:4:8",
        "conf.d/1.toml:3:8",
        "duplicate path `/main`",
        "conf.d/3.toml:2:12",
        "c.toml:2:8",
        "first mounted here",
        "2 errors in c.toml",
    ] {
        assert!(errors.contains(part), "{part}:\n{errors}");
    }
}

#[test]
fn errors_point_to_the_file_and_line_in_which_they_are() {
    let folder = Folder::new("places");
    folder.file("c.toml", &format!("include = ['conf.d/*.toml']\n{}", group("/main")));
    folder.file("conf.d/1.toml", "listen = ['127.0.0.1:1']\ninclude = ['x']\n");
    folder.file("conf.d/2.toml", "group = 5\n");
    folder.file("conf.d/3.toml", "\n[group.'/x']\nservice = 'weel'\ntoken = 's3cr3t-word'\n");
    folder.file(
        "conf.d/4.toml",
        "[group.'/y'.upstream]\nurls = ['http://127.0.0.1:1/']\nprotocol = 'xml-rpc'\ntoken.file = 'none'\n",
    );
    let errors = folder.errors();
    for part in [
        "`listen` cannot be given in an included file",
        "conf.d/1.toml:1:1",
        "`include` cannot be given in an included file",
        "conf.d/1.toml:2:1",
        "an included file has tables of `group` and `page` only; everything else is in `c.toml`",
        "conf.d/2.toml:1:9",
        "unknown service `weel`",
        "conf.d/3.toml:3:11",
        "`conf.d/none` cannot be read",
        "conf.d/4.toml:4",
    ] {
        assert!(errors.contains(part), "{part}:\n{errors}");
    }
    assert!(!errors.contains("s3cr3t-word"), "{errors}");
    // A syntax error ends the reading, for what would follow from it is no error of its own.
    folder.file("conf.d/1.toml", "[group.'/open'\n");
    let errors = folder.errors();
    assert!(errors.contains("conf.d/1.toml:1") && !errors.contains("weel"), "{errors}");
}

#[test]
fn patterns_that_cannot_be_used_are_errors() {
    let folder = Folder::new("patterns");
    for (include, expected) in [
        ("['conf.d/***']", "it is not a valid pattern"),
        ("['conf.d']", "it is a directory, not a regular file"),
        ("'conf.d/*.toml'", "should be an array"),
        ("[1]", "should be a"),
    ] {
        folder.file("c.toml", &format!("include = {include}\n{}", group("/main")));
        let errors = folder.errors();
        assert!(errors.contains(expected) && errors.contains("c.toml:1:"), "{include}: {errors}");
    }
    folder.file("conf.d/large.toml", &"# comment\n".repeat(2 << 20));
    folder.file("c.toml", &format!("include = ['conf.d/*.toml']\n{}", group("/main")));
    assert!(folder.errors().contains("all files together have more than 16777216 bytes"), "{}", folder.errors());
    std::fs::remove_file(folder.0.join("conf.d/large.toml")).unwrap();
    for number in 0..1001 {
        folder.file(&format!("conf.d/{number}.toml"), "");
    }
    assert!(folder.errors().contains("1001 files are included, but there may be at most 1000"), "{}", folder.errors());
}

#[test]
fn a_file_does_not_include_itself() {
    let folder = Folder::new("itself");
    folder.file("c.toml", &format!("include = ['*.toml', 'conf.d/*.toml', 'conf.d/a.toml']\n{}", group("/main")));
    folder.file("conf.d/a.toml", &group("/a"));
    assert_eq!(folder.paths(), ["/main", "/a"]);
}
