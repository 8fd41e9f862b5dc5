// Style sheets are bundled apart.
declare module "*.css";
