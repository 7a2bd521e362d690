// #[traced(attr(a, total = b.len()))]
// pub fn load(a: u64, mut b: Vec<u8>) -> Result<u64, Error> {
//     b.push(1);
//     Ok(a)
// }
//
// adds 249 tokens

pub fn load(a: u64, b: Vec<u8>) -> Result<u64, Error> {
    let mut __traced_call = ::traced::__private::Call::capturing(
        {
            static SITE: ::traced::__private::Callsite = ::traced::__private::Callsite::new(
                "load",
                ::traced::__private::SpanKind::Internal,
                1u32,
                &::traced::__private::Origin {
                    scope: "traced-macros",
                    version: "0.1.0",
                    module: ::traced::__private::module_path!(),
                    file: "src/lib.rs",
                },
            );
            &SITE
        },
        ::traced::__private::name_of(|| ()),
    );
    if __traced_call.wants_attributes() {
        __traced_call.attribute("a", &(a));
        __traced_call.attribute("total", &(b.len()));
        __traced_call.captured();
    }
    let __traced_value = ::traced::__private::made(move || -> Result<u64, Error> {
        let mut b = b;
        let _ = &b;
        match () {
            () => {
                b.push(1);
                Ok(a)
            }
        }
    });
    ::traced::__private::probe(&__traced_value)
        .end(__traced_call, ::traced::__private::Verdict::Fault);
    __traced_value
}
