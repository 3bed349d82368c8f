/* Numbers as people read them, for reports: the same text in every locale.
 *
 * A figure is returned by value, so that it can stand where it is used:
 * `bal_html_say(html, bal_figure_share(share).text)`. What is not a number is "–". */
#ifndef BAL_REPORT_FIGURES_H
#define BAL_REPORT_FIGURES_H

typedef struct bal_figure {
    char text[48]; /* UTF-8 */
} bal_figure;

/** A fixed number of decimals, 0 to 9: "0.8917". Numbers too large for that as bal_figure_short. */
bal_figure bal_figure_fixed(double value, int decimals);
/** At most four significant digits: "0.3475", "4.92e-05", "100000". */
bal_figure bal_figure_short(double value);
/** Four decimals where they say something, else four digits: for losses and errors in a column. */
bal_figure bal_figure_loss(double value);
/** A share of one: "1.0 %". */
bal_figure bal_figure_share(double value);
/** A whole number in groups of three: "255 557" (with narrow no-break spaces). */
bal_figure bal_figure_count(double value);
/** Seconds: "0.8 s", "58 s", "3 min 12 s", "2 h 05 min", "3 d 4 h". */
bal_figure bal_figure_duration(double seconds);

#endif
