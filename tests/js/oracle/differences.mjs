// Where Sprat deliberately does something else than the official server: what each of them does, and why.
export default {};
