//! A module of Python finds Python when it is loaded: macOS has to be told so.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
