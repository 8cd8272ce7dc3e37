// Where a time embedding and a residual are read.
override TEMB_N: u32 = 1u;     // uniform
override TEMB_WIDTH: u32 = 0u; // uniform
override TEMB_OFFSET: u32 = 0u; // uniform
override RESIDUAL_N: u32 = 1u; // uniform
