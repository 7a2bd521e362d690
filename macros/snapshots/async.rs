// #[traced()]
// pub async fn load(&self, a: u64) -> Result<u64, Error> {
//     self.find(a).await
// }
//
// adds 249 tokens

pub async fn load(&self, a: u64) -> Result<u64, Error> {
    let mut __traced_call = ::traced::__private::Call::new({
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
    });
    let __traced_body = async move {
        if let ::traced::__private::Some(__traced_value) = ::traced::__private::None::<
            Result<u64, Error>,
        > {
            return __traced_value;
        }
        match () {
            () => self.find(a).await,
        }
    };
    let __traced_value = ::traced::__private::Drive {
        call: ::traced::__private::Driven(&mut __traced_call),
        body: ::traced::__private::pin!(__traced_body),
    }
        .await;
    ::traced::__private::probe(&__traced_value)
        .end(__traced_call, ::traced::__private::Verdict::Fault);
    __traced_value
}
