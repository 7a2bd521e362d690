// #[traced(kind = client)]
// impl Store {
//     const SIZE: usize = 3;
//     fn get(self: Arc<Self>) -> u8 {
//         self.0
//     }
//     #[traced(skip)]
//     fn len(&self) -> usize {
//         0
//     }
// }
//
// adds 190 tokens

impl Store {
    const SIZE: usize = 3;
    fn get(self: Arc<Self>) -> u8 {
        let mut __traced_call = ::traced::__private::Call::inside(
            {
                static SITE: ::traced::__private::Callsite = ::traced::__private::Callsite::new(
                    "Store::get",
                    ::traced::__private::SpanKind::Client,
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
        let __traced_value = ::traced::__private::made(move || -> u8 {
            let _ = &self;
            match () {
                () => self.0,
            }
        });
        ::traced::__private::probe(&__traced_value)
            .end(__traced_call, ::traced::__private::Verdict::Fault);
        __traced_value
    }
    fn len(&self) -> usize {
        0
    }
}
