// What the example's Kconfig.projbuild becomes.
#define CONFIG_LISTEN_BCLK_GPIO 4
#define CONFIG_LISTEN_WS_GPIO 5
#define CONFIG_LISTEN_DIN_GPIO 6
#define CONFIG_LISTEN_SHIFT 12
