"""The fixed parts of a C file, with $words to be filled in."""

OPTIONS = """
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("no-trapping-math") /* else GCC makes no vectors of the loops that call exp and tanh */
#endif
"""
OPTIONS_END = """
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
"""
DECLARATIONS = """
#ifndef ${big}_DECLARED
#define ${big}_DECLARED

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

$sizes

/* All memory of one stream. Make one for each, static or where you like, and hand it to every call. */
typedef struct {
$members
} ${name}_state;

/* Call it once before the first step of a stream. */
void ${name}_init(${name}_state *s);

/* Start anew, as before the first step. */
void ${name}_reset(${name}_state *s);

/* Take x[${big}_INPUTS] and write y[${big}_OUTPUTS].
   Return 0; or 1 if x cannot be taken, and nothing has changed then. */
int ${name}_step(${name}_state *s, const $x *x, $real *y);

/* Take x[steps][${big}_INPUTS], and write y[steps][${big}_OUTPUTS],
   or y[${big}_OUTPUTS] after the last step if not ${big}_KEEPS_TIME.
   Return 0; or 1 if a step cannot be taken, and those before it have been taken then. */
int ${name}_process(${name}_state *s, const $x *x, int steps, $real *y);
$labels
#ifdef __cplusplus
}
#endif
#endif /* ${big}_DECLARED */
"""
LABELS = """
/* Names of the outputs, in UTF-8. */
extern const char *const ${name}_labels[${big}_OUTPUTS];
"""
FUNCTIONS = """
$ahead/* Take one step: everything that goes on from state to state. */
static int ${name}_take(${name}_state *s, const $x *x$number)
{
$take
    return 0;
}

/* The output after the steps taken so far. */
static void ${name}_answer(${name}_state *s, $real *y)
{
$answer
}

void ${name}_reset(${name}_state *s)
{
$reset
}

void ${name}_init(${name}_state *s)
{
    ${name}_reset(s);
}

int ${name}_step(${name}_state *s, const $x *x, $real *y)
{
$one    if (${name}_take(s, x$zero))
        return 1;
    ${name}_answer(s, y);
    return 0;
}

int ${name}_process(${name}_state *s, const $x *x, int steps, $real *y)
{
    int i;
    for (i = 0; i < steps; ++i) {
$several        if (${name}_take(s, x + i * $inputs$index))
            return 1;
$each    }
$at_end    return 0;
}
"""
AHEAD = """
/* Products with the inputs of so many steps, at most $most, before the first of them is taken. */
static void ${name}_look_ahead(${name}_state *s, int steps, const $x *x)
{
$body
}

"""
SELF_TEST = """
#ifdef GATEWISE_SELF_TEST
#include <stdio.h>
$math
/* Made by the model in Python, step by step. */
static const $x ${name}_test_x[$x_size] = {
    $x_values};
static const $real ${name}_test_y[$y_size] = {
    $y_values};

static double ${name}_difference(int count, const $real *a, const $real *b)
{
    double largest = 0.0;
    int i;
    for (i = 0; i < count; ++i) {
        const double d = (double)a[i] - (double)b[i];
        if (d > largest || -d > largest || d != d)
            largest = d < 0.0 ? -d : d;
    }
    return largest;
}

int main(void)
{
    static ${name}_state s;
    static $real y[$y_size];
    const int steps = $steps;
    double by_steps, at_once;
    int i, refused = 0;
    ${name}_init(&s);
    for (i = 0; i < steps; ++i)
        refused |= ${name}_step(&s, ${name}_test_x + i * ${big}_INPUTS, y + i * ${big}_OUTPUTS);
    by_steps = ${name}_difference($y_size, y, ${name}_test_y);
    ${name}_reset(&s);
    refused |= ${name}_process(&s, ${name}_test_x, steps, y);
    at_once = ${name}_difference($compared, y, ${name}_test_y$first);
    printf("${name}: largest difference %g step by step, %g at once; $tolerance is allowed\\n", by_steps, at_once);
    return refused || !(by_steps <= $tolerance) || !(at_once <= $tolerance);
}
#endif
"""
MAIN = """
#include "$file"
#include <stdio.h>
#include <stdlib.h>

/* Reads the number of steps and the inputs from stdin, and writes all outputs to stdout. */
int main(void)
{
    static ${name}_state s;
    int32_t steps = 0;
    size_t inputs, outputs;
    $x *x;
    $real *y;
    if (fread(&steps, sizeof steps, 1, stdin) != 1)
        return 2;
    inputs = (size_t)steps * ${big}_INPUTS;
    outputs = (${big}_KEEPS_TIME ? (size_t)steps : 1) * ${big}_OUTPUTS;
    x = malloc(inputs * sizeof *x);
    y = malloc(outputs * sizeof *y);
    if (!x || !y || fread(x, sizeof *x, inputs, stdin) != inputs)
        return 2;
    ${name}_init(&s);
    if (${name}_process(&s, x, steps, y))
        return 3;
    return fwrite(y, sizeof *y, outputs, stdout) != outputs;
}
"""
WASM = """
static model_state stream;
static $x input_of_step[MODEL_INPUTS];
static $real output_of_step[MODEL_OUTPUTS];

__attribute__((export_name("input"))) void *input(void)
{
    return input_of_step;
}

__attribute__((export_name("output"))) void *output(void)
{
    return output_of_step;
}

__attribute__((export_name("reset"))) void reset(void)
{
    model_init(&stream);
}

__attribute__((export_name("step"))) int step(void)
{
    return model_step(&stream, input_of_step, output_of_step);
}
"""
