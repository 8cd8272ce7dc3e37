// Size of a convolution's output.
override OH: u32;              // uniform
override OW: u32;              // uniform
