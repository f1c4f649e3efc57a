#define DT_ALIAS(alias) alias
